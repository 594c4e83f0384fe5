"""A producer of marks: its batches go into the market stream in order, each answered by where it
stands there.

A producer need not wait for an answer. What it sends meanwhile is read, up to one call of the store
in marks; beyond that it waits in the producer's own socket, so nothing grows with its haste. What
has come together goes to the store in one call, which is all or nothing: so is a batch. When the
store does not answer, every batch of the call is refused, and may have been carried out all the
same: the same marks again do no harm, since equal timestamps are taken.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from anyio.abc import TaskGroup
from msgspec import UNSET
from starlette.websockets import WebSocket

from service.access.door import Caller
from service.contract.frames import Auth, ErrorFrame, Ping, Pong, ServerFrame
from service.contract.mark_lists import newest_of
from service.contract.producing import BATCH_MARKS_MAX, Batch, Taken, decode_producer_frame
from service.errors import StoreUnavailable
from service.push.close_codes import CloseCode
from service.push.connection import Connection, StreamLimits, Switchboard
from service.push.inbox import Inbox
from service.push.sockets import serve
from service.store.market_stream import NewMark

REFUSED_BYTES = 512  # the most that one refused mark takes of a frame
_AWAY = "the store did not answer: these marks may be in, and may be sent again"


class RefusalCounter(Protocol):
    """Where it is counted what was no mark; raises StoreUnavailable."""

    async def add(self, reasons: Mapping[str, int]) -> None: ...


class MarkStore(Protocol):
    """Where marks go; raises StoreUnavailable."""

    @property
    def refusals(self) -> RefusalCounter: ...

    async def append_marks(self, marks: Sequence[NewMark]) -> list[int | str]: ...


class Producer(Connection):
    """The state of one connection; `run` is its life."""

    def __init__(
        self, switchboard: Switchboard, caller: Caller, limits: StreamLimits, market: MarkStore
    ) -> None:
        super().__init__(switchboard, caller, limits)
        self._market = market
        # Batches, and answers to other frames, which wait for those before them.
        self._inbox = Inbox[Batch | ServerFrame](BATCH_MARKS_MAX)

    @property
    def idle(self) -> bool:
        """A producer is never: its next mark may be on its way."""
        return False

    def finish(self, code: CloseCode) -> None:
        """Close once all that was read is answered."""
        self.close_code = self.close_code or code
        self._inbox.seal()

    async def run(self, socket: WebSocket) -> None:
        """Serve an accepted socket until a side ends it; raises WebSocketDisconnect in a group."""
        await serve(self, socket, self._obey, self._answer_in_turn, self._work)

    async def _obey(self, text: str, _tasks: TaskGroup) -> None:
        match decode_producer_frame(text):
            case Batch() as batch:
                await self.pay(batch.given.count - 1)
                await self._inbox.put(batch, batch.given.count)
            case Ping():
                await self._answer_in_turn(Pong())
            case Auth():
                raise self.auth_refused()

    async def _answer_in_turn(self, frame: ServerFrame) -> None:
        await self._inbox.put(frame, 1)

    async def _work(self) -> None:
        """Take marks into the stream and answer, until there is nothing more to come."""
        while waiting := await self._inbox.take():
            batches = [item for item in waiting if isinstance(item, Batch)]
            taken = await self._append(batches)
            outcomes = None if taken is None else iter(taken)
            for item in waiting:
                for frame in self._answers(item, outcomes):
                    await self.say(frame)
        self.outbox.seal()

    async def _append(self, batches: Sequence[Batch]) -> list[int | str] | None:
        """Return what became of the marks; None where that is not known."""
        unread = sum((batch.given.unread for batch in batches), Counter[str]())
        try:
            if unread:
                await self._market.refusals.add(unread)
            marks = [mark for batch in batches for mark in batch.given.marks]
            return await self._market.append_marks(marks)
        except StoreUnavailable:
            return None

    def _answers(
        self, item: Batch | ServerFrame, outcomes: Iterator[int | str] | None
    ) -> Iterator[ServerFrame]:
        """Yield what is to be said; of `outcomes`, those of the item's own marks are used up."""
        if not isinstance(item, Batch):
            yield item
            return
        name, given = UNSET if item.id is None else item.id, item.given
        if outcomes is None and given.marks:
            yield ErrorFrame("store_unavailable", _AWAY, name)
            return
        own = list(islice(outcomes or (), len(given.marks)))
        results = sorted(given.results(own), key=lambda result: result.index)
        refused = [result for result in results if result.status == "refused"]
        newest, accepted = newest_of(own) or None, len(results) - len(refused)
        a_frame = max(1, self._limits.frame_bytes // REFUSED_BYTES)
        for start in range(0, max(1, len(refused)), a_frame):
            end = start + a_frame
            yield Taken(newest, accepted, refused[start:end], end >= len(refused), name)
