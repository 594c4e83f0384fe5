"""The mark gate by source time, mark by mark in plain Python: the script's truth.

The script must do this however marks are batched.
"""

from dataclasses import dataclass, field

from service.risk.mark_rule import MarkRule
from service.store.market_stream import NewMark


def near(price: float, other: float, band: float) -> bool:
    return max(price, other) <= min(price, other) * (1.0 + band)


@dataclass(slots=True)
class Symbol:
    """What is known of a symbol; times are event times in ms."""

    venue: str
    name: str
    due: int | None = None  # its next mark is overdue beyond this
    quality: str = "good"
    since_return: int = 0
    last_return: int = -1
    price: float | None = None
    said: dict[str, tuple[float, int]] = field(default_factory=dict)  # by source
    held: tuple[str, int, int, int, float] | None = None  # source, side, since, count, price


class GateModel:
    """`entries` are (kind, event time, payload) in order."""

    def __init__(self, rule: MarkRule) -> None:
        self.entries: list[tuple[str, int, bytes]] = []
        self._rule = rule
        self._event_time = 0
        self._newest: dict[tuple[str, str], int] = {}
        self._symbols: dict[str, Symbol] = {}

    def append(self, mark: NewMark) -> int | str:
        """Return the market id or the refusal of one mark."""
        assert mark.timestamp_ms is not None
        source = (mark.symbol, mark.source)
        if mark.timestamp_ms < self._newest.get(source, 0):
            return "stale_timestamp"
        self._newest[source] = mark.timestamp_ms
        symbol = self._symbols.setdefault(mark.symbol, Symbol(mark.venue, mark.symbol))
        now, quality = max(self._event_time, mark.timestamp_ms), "good"
        if self._rule.band:
            refused, quality = self._judged(symbol, mark.source, mark.price, now)
            if refused:
                if quality and symbol.quality != "stale":
                    self._tell(symbol, quality)
                return refused
        return self._let_through(symbol, mark, now, quality)

    def _let_through(self, symbol: Symbol, mark: NewMark, now: int, quality: str) -> int:
        symbol.due = now + int((self._rule.max_age_s or 0.0) * 1_000)
        self._event_time = now
        self._notice_stale()
        self._add("m", mark.payload)
        market_id = len(self.entries)
        if symbol.quality == "stale":
            if symbol.since_return == 0 or now > symbol.last_return:
                symbol.since_return, symbol.last_return = symbol.since_return + 1, now
            if symbol.since_return < (self._rule.warmup_marks or 0):
                return market_id
        self._tell(symbol, quality)
        return market_id

    def _judged(self, symbol: Symbol, source: str, price: float, now: int) -> tuple[str, str]:
        """Return the refusal, "" for none, and the quality, "" for the one there was."""
        band, limit_ms = self._rule.band or 0.0, int((self._rule.max_age_s or 0.0) * 1_000)
        others = {
            name: said
            for name, said in symbol.said.items()
            if name != source and now - said[1] <= 3_600_000
        }
        fresh = [said for said, time in others.values() if now - time <= limit_ms]
        agree = sum(near(price, said, band) for said in fresh)
        symbol.said = others | {source: (price, now)}
        if not fresh:
            refused = self._lone(symbol, source, price, now)
            if refused:
                return refused, "" if symbol.price is None else "suspect"
        elif 2 * agree < len(fresh):
            there = sum(symbol.price is not None and near(symbol.price, a, band) for a in fresh)
            lost = len(fresh) == 1 or 2 * there < len(fresh)
            reason = "disagreement" if len(fresh) == 1 else "outlier"
            return reason, "suspect" if lost else ""
        symbol.price, symbol.held = price, None
        expected = max(self._rule.sources_min or 1, 2 if others else 1)
        return "", "degraded" if agree + 1 < expected else "good"

    def _lone(self, symbol: Symbol, source: str, price: float, now: int) -> str:
        rule, before = self._rule, symbol.price
        held = symbol.held if symbol.held and symbol.held[0] == source else None
        if before is None:
            if held and near(price, held[4], rule.band or 0.0):
                return ""
            symbol.held = (source, 0, now, 1, price)
            return "unconfirmed"
        if near(price, before, rule.band or 0.0):
            return ""
        side = 1 if price > before else -1
        since, count = (held[2], held[3]) if held and held[1] == side else (now, 0)
        symbol.held = (source, side, since, count + 1, price)
        far = not near(price, before, (rule.implausible_factor or 0.0) - 1.0)
        wait_s = rule.implausible_s if far else rule.confirm_s
        if count + 1 >= (rule.confirm_marks or 0) and now - since >= (wait_s or 0.0) * 1_000:
            return ""
        return "implausible" if far else "beyond_band"

    def _notice_stale(self) -> None:
        overdue = [
            (symbol.due, symbol.name)
            for symbol in self._symbols.values()
            if symbol.due is not None and symbol.due < self._event_time
        ]
        for _, name in sorted(overdue):
            symbol = self._symbols[name]
            symbol.due, symbol.since_return, symbol.last_return = None, 0, -1
            self._tell(symbol, "stale")

    def _tell(self, symbol: Symbol, word: str) -> None:
        if symbol.quality != word:
            symbol.quality, symbol.since_return = word, 0
            self._add("q", quality(symbol.venue, symbol.name, word))

    def _add(self, kind: str, payload: bytes) -> None:
        self.entries.append((kind, self._event_time, payload))


ALLOWS = {"good": "liquidate", "degraded": "liquidate", "suspect": "call", "stale": "call"}


def quality(venue: str, symbol: str, word: str) -> bytes:
    told = f'"quality":"{word}","allows":"{ALLOWS[word]}"'
    return f'{{"venue":"{venue}","symbol":"{symbol}",{told}}}'.encode()
