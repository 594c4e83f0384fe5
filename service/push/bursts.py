"""A shard's new log entries as frames: sliced, filtered and framed once for all clients.

The alerts' own bytes go out unchanged. A subscriber of everything gets them as they stand in the
log; a filtering one gets slices. The cursor of a frame says: all of this shard up to here, and of
the other shards what the reader had before; so a client that is cut off between two frames of a
burst resumes exactly there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from service.contract.alerts import LevelName, decode_level, split_alerts
from service.contract.cursor import encode_cursor
from service.push.selection import Selection
from service.store.alert_log import LogEntry

_ENVELOPE_MAX = 512  # keys, punctuation and the longest subscription id, without the cursor


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's text, and the offset of the last alert of the shard that it speaks for."""

    text: str
    offset: int


class Burst:
    """The alerts of a shard after offset `after` up to the last of `entries`, with where the reader
    is in all shards (`positions`). The entries must follow each other without a gap."""

    def __init__(
        self,
        epoch: str,
        positions: Sequence[int],
        shard: int,
        entries: Sequence[LogEntry],
        frame_max: int,
    ) -> None:
        after = positions[shard]
        assert entries[0].offset_first <= after + 1 <= entries[0].offset_last
        self.shard = shard
        self.last = entries[-1].offset_last
        self._first = after + 1
        self._skip = after + 1 - entries[0].offset_first
        self._entries = entries
        self._epoch = epoch
        self._positions = tuple(positions)
        self._room = frame_max - _ENVELOPE_MAX - len(encode_cursor(epoch, positions)) - 16
        self._whole: dict[str, list[Frame]] = {}
        self._cursors: dict[int, str] = {}

    @cached_property
    def keys(self) -> list[str]:
        """The account key of each alert."""
        return [key for entry in self._entries for key in entry.account_keys][self._skip :]

    @cached_property
    def _alerts(self) -> list[bytes]:
        return [raw for entry in self._entries for raw in split_alerts(entry.alerts)][self._skip :]

    @cached_property
    def _levels(self) -> list[LevelName]:
        return [decode_level(raw) for raw in self._alerts]

    @cached_property
    def _tenants(self) -> set[str]:
        return {key.partition("/")[0] for key in self.keys}

    def frames_for(self, subscription_id: str, selection: Selection) -> list[Frame]:
        """Return what a subscription gets of this; those of a whole tenant share their frames."""
        if (
            selection.everything
            and selection.levels is None
            and self._tenants == {selection.tenant}
        ):
            if subscription_id not in self._whole:
                self._whole[subscription_id] = list(self._frames(subscription_id, None))
            return self._whole[subscription_id]
        wanted = [at for at, key in enumerate(self.keys) if selection.wants_account(key)]
        return self.frames_of(subscription_id, selection, wanted)

    def frames_of(
        self, subscription_id: str, selection: Selection, wanted: list[int]
    ) -> list[Frame]:
        """Return frames of these alerts (indexes into `keys`) that are of the levels wanted."""
        if selection.levels is not None:
            wanted = [at for at in wanted if selection.wants_level(self._levels[at])]
        return list(self._frames(subscription_id, wanted)) if wanted else []

    def _frames(self, subscription_id: str, wanted: list[int] | None) -> Iterator[Frame]:
        opening = '{"type":"alerts","id":' + msgspec.json.encode(subscription_id).decode()
        for body, offset in self._whole_bodies if wanted is None else self._bodies(wanted):
            cursor = self._cursor(offset)
            text = f'{opening},"alerts":[{body}],"cursor":"{cursor}"}}'
            yield Frame(text, offset)

    @cached_property
    def _whole_bodies(self) -> list[tuple[str, int]]:
        """All alerts, not even sliced where they fit one frame as they stand in the log."""
        size = sum(len(entry.alerts) for entry in self._entries)
        if self._skip or size > self._room:
            return list(self._bodies(range(len(self._alerts))))
        body = b",".join(entry.alerts[1:-1] for entry in self._entries)
        return [(body.decode(), self.last)]

    def _bodies(self, wanted: Iterable[int]) -> Iterator[tuple[str, int]]:
        """Yield joined alerts that fit one frame, with the offset the frame speaks for.

        The last frame speaks for the whole burst: what was filtered out is dealt with as well.
        """
        part: list[bytes] = []
        size, offset = 0, self._first - 1
        for at in wanted:
            raw = self._alerts[at]
            if part and size + len(raw) > self._room:
                yield b",".join(part).decode(), offset
                part, size = [], 0
            part.append(raw)
            size += len(raw) + 1
            offset = self._first + at
        yield b",".join(part).decode(), self.last

    def _cursor(self, offset: int) -> str:
        if offset not in self._cursors:
            positions = list(self._positions)
            positions[self.shard] = offset
            self._cursors[offset] = encode_cursor(self._epoch, positions)
        return self._cursors[offset]
