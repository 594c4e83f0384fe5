"""Entries of the log that came with their wake-ups, so that they need not be read.

What was published is no log: it may be lost, come late, or be of what was thrown away. So an entry
is taken only where it follows what the reader has; whatever is missing is read.
"""

from collections import deque
from collections.abc import Sequence

from service.store.log_entries import LogEntry
from service.store.log_order import Entries

_ENTRIES_A_SHARD = 16  # newest; nobody may be reading


class Overheard:
    """Reads on from what was overheard, the rest from the log."""

    def __init__(self, log: Entries) -> None:
        self._log = log
        self._entries: dict[int, deque[LogEntry]] = {}

    def take(self, shard: int, entries: list[LogEntry]) -> None:
        """Keep committed entries of a shard until they are read."""
        if shard not in self._entries:
            self._entries[shard] = deque(maxlen=_ENTRIES_A_SHARD)
        self._entries[shard].extend(entries)

    def forget(self) -> None:
        """Let go of everything: something was missed, or it is another log."""
        self._entries.clear()

    async def read_many(
        self, positions: Sequence[tuple[int, int]], count: int
    ) -> list[list[LogEntry]]:
        """Read several (shard, after); may raise StoreUnavailable."""
        at_hand = [self._following(shard, after) for shard, after in positions]
        missing = [place for place, found in zip(positions, at_hand, strict=True) if not found]
        if not missing:
            return at_hand
        read = iter(await self._log.read_many(missing, count))
        return [found or next(read) for found in at_hand]

    def _following(self, shard: int, after: int) -> list[LogEntry]:
        """Take out the entries behind an offset, as far as each follows the one before."""
        entries, found = self._entries.get(shard, ()), []
        while entries and entries[0].offset_first <= after + 1:
            entry = entries.popleft()
            if entry.offset_last > after:
                found.append(entry)
                after = entry.offset_last
        return found
