"""What of a state is sent to one client: the latest of everything that changed, at its own speed.

A client that reads slowly gets fewer frames and never a queue: until there is room for the next
one, what is new takes the place of what was not sent yet.
"""

import asyncio
from collections.abc import Hashable, Iterable, Iterator

import anyio
import msgspec

from service.contract.frames import Heartbeat, encode_frame
from service.push.outbox import Outbox

# Changes that come this close together go out as one frame.
PAUSE_S = 0.05


class Conflated:
    """One subscription to a channel of states; its frames are of type `channel` and list items
    under `listed`."""

    def __init__(self, subscription_id: str, channel: str, listed: str, outbox: Outbox) -> None:
        self.id = subscription_id
        self.sent_at = anyio.current_time()
        self.reading = anyio.CancelScope()  # around `run`, to break it off
        self._opening = (
            f'{{"type":"{channel}","id":{msgspec.json.encode(subscription_id).decode()},'
            f'"{listed}":['
        )
        self._outbox = outbox
        self._changed: dict[Hashable, str] = {}
        self._filled = asyncio.Event()

    def take(self, name: Hashable, encoded: str) -> None:
        """Take note of what has changed; returns at once."""
        self._changed[name] = encoded
        self._filled.set()

    def beat(self) -> None:
        """Say that nothing happened; not worth waiting for when there is no room."""
        if self._outbox.offer(encode_frame(Heartbeat(self.id, None))):
            self.sent_at = anyio.current_time()

    async def run(self, frame_max: int) -> None:
        """Send what changed whenever there is room, until cancelled."""
        with self.reading:
            while True:
                await self._filled.wait()
                self._filled.clear()
                changed, self._changed = self._changed, {}
                for frame in self._frames(changed.values(), frame_max):
                    await self._outbox.put(frame)
                    self.sent_at = anyio.current_time()
                await anyio.sleep(PAUSE_S)

    def _frames(self, items: Iterable[str], frame_max: int) -> Iterator[str]:
        room = frame_max - len(self._opening.encode()) - 16
        part: list[str] = []
        size = 0
        for item in items:
            length = len(item.encode())
            if part and size + length > room:
                yield self._opening + ",".join(part) + "]}"
                part, size = [], 0
            part.append(item)
            size += length + 1
        yield self._opening + ",".join(part) + "]}"
