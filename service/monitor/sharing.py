"""The shards of one monitor among several: taken, brought up, served, given back.

`main` is the book that is served. Shards that were just taken come up in the `nursery`, which
another task brings to where the stream is; then the main task moves its shards over (`handover`),
or the nursery becomes the main book when there is none. The leases say what is ours; whatever is
ours and in neither book was dropped, and is given back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from service.errors import OutOfStep, StoreUnavailable
from service.monitor.handover import Handover
from service.monitor.leases import Leases
from service.monitor.ownership import View, to_give, to_take
from service.monitor.shards import Shards

_log = logging.getLogger(__name__)

FORGET_ACCOUNTS = 100  # at a time: some milliseconds
RETRY_S = 1.0


class Sharing:
    """What this monitor owns; `fresh` makes an empty book for the log's present epoch."""

    def __init__(self, leases: Leases, fresh: Callable[[], Awaitable[Shards]]) -> None:
        self.main: Shards | None = None
        self.nursery: Shards | None = None
        self.changed = asyncio.Event()  # in what is served or taken in, since somebody looked
        self._leases, self._fresh = leases, fresh
        self._handover: Handover | None = None
        self._expecting = asyncio.Event()  # the nursery has shards to recover
        self._surplus: list[int] = []  # of the main book, to be given back

    @property
    def serving(self) -> list[Shards]:
        """The books that are up to date."""
        nursery = None if self._handover is None else self.nursery
        return [book for book in (self.main, nursery) if book is not None]

    @property
    def served(self) -> list[int]:
        return sorted(shard for book in self.serving for shard in book.ledgers)

    @property
    def busy(self) -> bool:
        """Whether `step` has more to do than the stream gives cause for."""
        leaving = self.main is not None and self.main.residents.leaving
        return leaving or bool(self._surplus) or self._handover is not None

    async def renew(self) -> None:
        """Keep what is ours; drop what is not any more."""
        for shard in await self._leases.renew():
            for book in (self.main, self.nursery):
                if book is not None:
                    book.drop(shard)

    async def share_out(self) -> None:
        """Look who is there; take shards up to our share, or see to it that some are given back."""
        await self._leases.give_back(self._leases.strays(self._in_hand()))
        view = await self._leases.look()
        if self.nursery is not None:
            self._take_fewer(view.held - view.share)
        elif wanted := to_take(view):
            await self._take(wanted)
        elif self.main is not None and not self._surplus:
            self._surplus = self._too_many(view, self.main)

    async def bring_up(self) -> None:
        """Wait for shards that were taken and bring them to where the stream is."""
        await self._expecting.wait()
        self._expecting.clear()
        nursery = self.nursery
        assert nursery is not None
        try:
            await nursery.recover()
            await nursery.catch_up()
        except (OutOfStep, StoreUnavailable) as error:
            _log.warning("recovery begins again: %s", error)
            await asyncio.sleep(RETRY_S)
            nursery.drop_all()
        if self.nursery is not nursery:
            return  # abandoned meanwhile
        if not nursery.ledgers:
            self.nursery = None
            self.changed.set()
            return
        _log.info("shards %s taken in, %d pools", sorted(nursery.ledgers), len(nursery.engine.book))
        if self.main is not None and self.main.engine.epoch != nursery.engine.epoch:
            self.abandon()  # the server may have lost what the main book has seen
        elif self.main is None or not self.main.ledgers:
            self._make_main(nursery)
        else:
            self._handover = Handover(nursery, self.main)
            self.changed.set()

    async def step(self) -> None:
        """Do a little of what is to be done between two batches of the main book's."""
        main, handover = self.main, self._handover
        assert main is not None
        main.residents.forget(FORGET_ACCOUNTS)
        if self._surplus:
            await main.commit_last(self._surplus)
            for shard in self._surplus:
                main.drop(shard)
            self._surplus = []
            self.changed.set()
        if handover is not None and self.nursery is not None:
            if not main.ledgers:
                self._make_main(self.nursery)
                return
            await handover.step()
            if handover.done:
                self.nursery = self._handover = None
                self.changed.set()
        elif not main.ledgers:
            self.main = None

    async def commit(self, *, positions: bool = False) -> None:
        """Commit what is new in the books that are served."""
        for book in self.serving:
            await book.commit(positions=positions)

    def abandon(self) -> None:
        """Drop everything, to recover it from the store."""
        for book in (self.main, self.nursery):
            if book is not None:
                book.drop_all()
        self.main = self.nursery = self._handover = None
        self._surplus = []
        self.changed.set()

    async def give_all_back(self) -> None:
        await self._leases.give_back(list(self._leases.held))

    def _in_hand(self) -> set[int]:
        books = [book for book in (self.main, self.nursery) if book is not None]
        return {shard for book in books for shard in (*book.ledgers, *book.waiting)}

    async def _take(self, wanted: list[int]) -> None:
        nursery = await self._fresh()
        if states := await self._leases.take(wanted):
            if self.main is not None:
                for shard in states:  # lost, if we had it, and perhaps nobody has told us yet
                    self.main.drop(shard)
            nursery.expect(states)
            self.nursery = nursery
            self._expecting.set()
            self.changed.set()

    def _take_fewer(self, surplus: int) -> None:
        """Others came while we take in: what we have not begun with is theirs."""
        assert self.nursery is not None
        if surplus > 0:
            for shard in self.nursery.waiting[1:][-surplus:]:
                self.nursery.drop(shard)
            self.changed.set()

    def _too_many(self, view: View, main: Shards) -> list[int]:
        return to_give(view, list(main.ledgers), len(main.engine.book))

    def _make_main(self, book: Shards) -> None:
        self.main, self.nursery, self._handover, self._surplus = book, None, None, []
        self.changed.set()
