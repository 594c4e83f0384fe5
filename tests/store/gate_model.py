"""The mark gate by source time, mark by mark in plain Python: the script's truth.

The script must do this however marks are batched.
"""

from service.store.market_stream import NewMark


class GateModel:
    """`entries` are (kind, event time, payload) in order."""

    def __init__(self, max_age_ms: int) -> None:
        self.entries: list[tuple[str, int, bytes]] = []
        self._max_age_ms = max_age_ms
        self._event_time = 0
        self._newest: dict[tuple[str, str], int] = {}
        self._times: dict[str, int] = {}
        self._stale: set[str] = set()

    def append(self, mark: NewMark) -> int | str:
        """Return the market id or the refusal of one mark."""
        assert mark.timestamp_ms is not None
        source = (mark.symbol, mark.source)
        if mark.timestamp_ms < self._newest.get(source, 0):
            return "stale_timestamp"
        self._newest[source] = mark.timestamp_ms
        self._event_time = max(self._event_time, mark.timestamp_ms)
        self._notice_stale(mark)
        self._times[mark.symbol] = self._event_time
        self._add("m", mark.payload)
        market_id = len(self.entries)
        if mark.symbol in self._stale:
            self._stale.discard(mark.symbol)
            self._add("q", quality(mark.venue, mark.symbol, "false"))
        return market_id

    def _notice_stale(self, mark: NewMark) -> None:
        for time, symbol in sorted((time, symbol) for symbol, time in self._times.items()):
            too_old = self._event_time - time > self._max_age_ms
            if too_old and symbol != mark.symbol and symbol not in self._stale:
                self._stale.add(symbol)
                self._add("q", quality(mark.venue, symbol, "true"))

    def _add(self, kind: str, payload: bytes) -> None:
        self.entries.append((kind, self._event_time, payload))


def quality(venue: str, symbol: str, stale: str) -> bytes:
    return f'{{"venue":"{venue}","symbol":"{symbol}","stale":{stale}}}'.encode()
