"""The `risk` channel: accounts as they are now, evaluated here while somebody watches them.

A worker evaluates the accounts that are watched through it from what is stored and from its own
picture of the markets, by the code that answers `GET /v1/accounts/{id}/risk`. So the monitor does
nothing for this channel, whoever listens; an account costs the same with one subscriber or a
thousand; and one that nobody watches costs nothing anywhere.

Nothing is polled. What can change a state marks the accounts it may touch: a mark its symbol's
holders, a notice of account changes those of its shard (whose versions are then compared), an alert
its account. Of those that are marked a slice at a time is read, evaluated and handed to the
subscriptions, an account once a second at most. Slices take a share of the worker's time and no
more: with very many accounts on the move, each is told of less often.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import anyio
import msgspec

from service.contract.results import RiskAnswer
from service.contract.states import KnownAccount, encode_update, symbols_of
from service.errors import StoreUnavailable
from service.push.bursts import Burst
from service.push.watched import RiskSubscription, Watched
from service.store.alert_log import LogTail
from service.store.keys import split_tenant_key
from service.store.market_stream import MarketEntry

EVERY_S = 1.0  # an account is told of at most so often
ACCOUNTS_A_SLICE = 25  # evaluated at a time: some milliseconds
WATCHED_MAX = 20_000  # accounts of one worker
_LOOK_S = 0.1
_SHARE = 0.25  # of the worker's time, at most
_RETRY_S = 1.0


class RiskStore(Protocol):
    """Stored accounts; raises StoreUnavailable."""

    def shard_of(self, account_key: str) -> int: ...
    async def versions(self, account_keys: Sequence[str]) -> list[int]: ...
    async def get_many(self, account_keys: Sequence[str]) -> dict[str, tuple[bytes, int]]: ...


class LevelStore(Protocol):
    """Where the monitor has accounts' pools; raises StoreUnavailable."""

    async def tails(self) -> list[LogTail]: ...
    async def levels_of(self, account_keys: Sequence[str]) -> dict[str, bytes]: ...


Judge = Callable[[Sequence[KnownAccount]], Sequence[RiskAnswer | None]]


class _Notice(msgspec.Struct):
    shard: int


class _Marked(msgspec.Struct):
    symbol: str


_notices = msgspec.json.Decoder(_Notice)
_marked = msgspec.json.Decoder(_Marked)


class RiskBoard:
    """All accounts that are watched through this worker; `run` keeps their states up to date."""

    def __init__(
        self, accounts: RiskStore, levels: LevelStore, judge: Judge, frame_max: int
    ) -> None:
        self._accounts, self._levels, self._judge = accounts, levels, judge
        self._room = frame_max - 512
        self._watched: dict[str, Watched] = {}
        self._by_symbol: dict[str | None, set[Watched]] = defaultdict(set)
        self._by_shard: dict[int, set[Watched]] = defaultdict(set)
        self._stirred: set[Watched] = set()  # may have another state by now
        self._symbols: set[str] = set()  # whose marks came since the last look
        self._woken = asyncio.Event()

    def __iter__(self) -> Iterator[RiskSubscription]:
        return iter({each for watched in self._watched.values() for each in watched.listeners})

    @property
    def watching(self) -> bool:
        return bool(self._watched)

    def has_room_for(self, keys: Iterable[str]) -> bool:
        """Whether these accounts can be watched too."""
        return len(self._watched) + sum(key not in self._watched for key in keys) <= WATCHED_MAX

    def add(self, subscription: RiskSubscription) -> None:
        """Put a subscription through: it gets all its accounts' states, then every change."""
        for key in subscription.keys:
            watched = self._watched.get(key)
            if watched is None:
                watched = self._watched[key] = Watched(key, self._accounts.shard_of(key))
                self._by_shard[watched.shard].add(watched)
                self._stir((watched,))
            watched.listeners.add(subscription)
            if watched.told is not None:
                subscription.take(key, watched.told)

    def remove(self, subscription: RiskSubscription) -> None:
        """Forget a subscription, and the accounts that nobody else watches."""
        for key in subscription.keys:
            watched = self._watched.get(key)
            if watched is None:
                continue
            watched.listeners.discard(subscription)
            if not watched.listeners:
                del self._watched[key]
                self._by_shard[watched.shard].discard(watched)
                self._index(watched, set())
                self._stirred.discard(watched)

    def start_over(self) -> None:
        """Read and evaluate everything anew: something may have been missed."""
        for watched in self._watched.values():
            watched.unread = watched.levels_unread = True
            watched.levels_until = 0
        self._stir(self._watched.values())

    def entry(self, entry: MarketEntry) -> None:
        """Take an entry of the market stream; returns at once."""
        if not self._watched:
            return
        if entry.kind in ("m", "q"):
            self._symbols.add(_marked.decode(entry.payload).symbol)
            self._woken.set()
        elif entry.kind == "i":
            self._stir(self._watched.values())
        elif entry.kind == "a":
            of_shard = self._by_shard[_notices.decode(entry.payload).shard]
            for watched in of_shard:
                watched.unread = True  # whether it has moved is still to be seen
            self._stirred.update(of_shard)
            self._woken.set()

    def burst(self, burst: Burst) -> None:
        """Take alerts: their accounts have other levels; returns at once."""
        if not self._watched:
            return
        for key in burst.keys:
            if watched := self._watched.get(key):
                watched.levels_until = burst.after[watched.shard]
                watched.levels_unread = True
                self._stir((watched,))

    async def run(self) -> None:
        """Keep the states up to date until cancelled."""
        self._woken.set()  # somebody may have been marked before
        while True:
            await self._woken.wait()
            self._woken.clear()
            self._spread()
            pause_s = _LOOK_S
            while due := self._due():
                try:
                    await self._read(due)
                    worked_s = self._tell([each for each in due if self._is_watched(each)])
                except StoreUnavailable:
                    self._stir(filter(self._is_watched, due))
                    pause_s = _RETRY_S
                    break
                await anyio.sleep(worked_s * (1.0 / _SHARE - 1.0))
            await anyio.sleep(pause_s)
            if self._stirred:
                self._woken.set()

    def _stir(self, watched: Iterable[Watched]) -> None:
        for each in watched:
            each.moved = True
            self._stirred.add(each)
        self._woken.set()

    def _spread(self) -> None:
        """Mark the accounts that hang on the symbols whose marks came."""
        if self._symbols:
            self._stir(self._by_symbol.get(None, ()))
            for symbol in self._symbols & self._by_symbol.keys():
                self._stir(self._by_symbol[symbol])
            self._symbols.clear()

    def _due(self) -> list[Watched]:
        """Return some of the marked whose turn it is, and take their marks off."""
        now = anyio.current_time()
        due = []
        for watched in self._stirred:
            if watched.due_at <= now:
                due.append(watched)
                if len(due) == ACCOUNTS_A_SLICE:
                    break
        self._stirred.difference_update(due)
        return due

    async def _read(self, due: list[Watched]) -> None:
        """Read what may be another by now of these accounts."""
        await self._read_accounts([each for each in due if each.unread])
        await self._read_levels([each for each in due if each.levels_unread])

    def _tell(self, due: list[Watched]) -> float:
        """Evaluate those that moved and hand on how they are; return the seconds that took."""
        started, due_at = time.perf_counter(), anyio.current_time() + EVERY_S
        for each in due:
            each.due_at = due_at
        due = [each for each in due if each.moved]
        known = [
            KnownAccount(split_tenant_key(each.key)[1], each.doc, each.version, each.states)
            for each in due
            if each.doc is not None
        ]
        answers = iter(self._judge(known) if known else ())
        for each in due:
            answer = None if each.doc is None else next(answers)
            if each.doc is None or answer is not None:  # else a figure of it is no number
                self._hand_on(
                    each, encode_update(split_tenant_key(each.key)[1], answer, self._room)
                )
        return time.perf_counter() - started

    def _is_watched(self, watched: Watched) -> bool:
        """Whether anybody watches it still: they may leave while it is read."""
        return self._watched.get(watched.key) is watched

    def _hand_on(self, watched: Watched, told: str) -> None:
        watched.moved, watched.told = False, told
        for subscription in watched.listeners:
            subscription.take(watched.key, told)

    async def _read_accounts(self, unread: list[Watched]) -> None:
        """Read those whose version is another now."""
        if not unread:
            return
        for each in unread:
            each.unread = False  # from here on a notice may set it again
        try:
            versions = await self._accounts.versions([each.key for each in unread])
            pairs = zip(unread, versions, strict=True)
            changed = [each for each, version in pairs if each.version != version]
            found = await self._accounts.get_many([each.key for each in changed])
        except StoreUnavailable:
            for each in unread:
                each.unread = True
            raise
        numbers = {each.key: version for each, version in zip(unread, versions, strict=True)}
        for each in changed:
            each.doc, each.version = found.get(each.key, (None, numbers[each.key]))
            each.moved = True
            if self._is_watched(each):
                self._index(each, set() if each.doc is None else symbols_of(each.doc))

    def _index(self, watched: Watched, symbols: set[str] | None) -> None:
        """Let marks of these symbols mark the account, and no others."""
        before: Iterable[str | None] = (None,) if watched.symbols is None else watched.symbols
        for symbol in before:
            self._by_symbol[symbol].discard(watched)
            if not self._by_symbol[symbol]:
                del self._by_symbol[symbol]
        watched.symbols = symbols
        after: Iterable[str | None] = (None,) if symbols is None else symbols
        for symbol in after:
            self._by_symbol[symbol].add(watched)

    async def _read_levels(self, unread: list[Watched]) -> None:
        """Read where the monitor has them; of a burst the alerts are logged before the levels."""
        if not unread:
            return
        settled = [tail.settled for tail in await self._levels.tails()]
        found = await self._levels.levels_of([each.key for each in unread])
        for each in unread:
            states = found.get(each.key)
            each.moved |= states != each.states
            each.states = states
            each.levels_unread = settled[each.shard] < each.levels_until
            if each.levels_unread:
                self._stirred.add(each)
