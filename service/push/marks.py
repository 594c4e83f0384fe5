"""The `marks` channel: the newest mark of each symbol, conflated for every client at its own speed."""

import asyncio
from collections.abc import Iterable, Iterator

import anyio
import msgspec

from service.contract.frames import Heartbeat, MarkUpdate, encode_frame
from service.push.outbox import Outbox

# Marks that come this close together go out as one frame.
PAUSE_S = 0.05


class MarkSubscription:
    """Marks that changed and were not sent yet; a later mark of a symbol takes the earlier one's place."""

    def __init__(self, subscription_id: str, symbols: Iterable[str] | None, outbox: Outbox) -> None:
        self.id = subscription_id
        self.sent_at = anyio.current_time()
        self.reading = anyio.CancelScope()  # around `run`, to break it off
        self._symbols = None if symbols is None else frozenset(symbols)
        self._outbox = outbox
        self._changed: dict[tuple[str, str], str] = {}
        self._filled = asyncio.Event()

    def note(self, mark: MarkUpdate, encoded: str) -> None:
        """Take note of a mark; returns at once."""
        if self._symbols is None or mark.symbol in self._symbols:
            self._changed[mark.venue, mark.symbol] = encoded
            self._filled.set()

    def note_first(self, mark: MarkUpdate, encoded: str) -> None:
        """Take note of a mark of the first picture, unless a later one came meanwhile."""
        if (mark.venue, mark.symbol) not in self._changed:
            self.note(mark, encoded)

    def beat(self) -> None:
        if self._outbox.offer(encode_frame(Heartbeat(self.id, None))):
            self.sent_at = anyio.current_time()

    async def run(self, frame_max: int) -> None:
        """Send what changed whenever there is room, until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            changed, self._changed = self._changed, {}
            for frame in self._frames(changed.values(), frame_max):
                await self._outbox.put(frame)
                self.sent_at = anyio.current_time()
            await anyio.sleep(PAUSE_S)

    def _frames(self, marks: Iterable[str], frame_max: int) -> Iterator[str]:
        opening = '{"type":"marks","id":' + msgspec.json.encode(self.id).decode() + ',"marks":['
        room = frame_max - len(opening) - 256
        part: list[str] = []
        size = 0
        for mark in marks:
            if part and size + len(mark) > room:
                yield opening + ",".join(part) + "]}"
                part, size = [], 0
            part.append(mark)
            size += len(mark) + 1
        yield opening + ",".join(part) + "]}"
