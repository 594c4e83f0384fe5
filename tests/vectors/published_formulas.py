"""Liquidation prices of isolated positions as each venue prints its formula, not as we solve it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.vectors.asking import Book, Held


@dataclass(frozen=True, slots=True)
class Case:
    """A position in the venues' own inputs; `size` in base, or in quote if inverse."""

    long: bool
    inverse: bool
    size: float
    entry: float
    leverage: float
    rate: float
    amount: float = 0.0  # off the maintenance margin
    fee: float = 0.0
    extra: float = 0.0  # margin added by hand

    @property
    def side(self) -> int:
        return 1 if self.long else -1

    @property
    def value(self) -> float:
        """At entry."""
        return self.size / self.entry if self.inverse else self.size * self.entry

    @property
    def initial(self) -> float:
        return self.value / self.leverage

    @property
    def grows(self) -> int:
        """Whether the value of a losing position grows (1) or shrinks (-1)."""
        return self.side if self.inverse else -self.side

    @property
    def fee_at_bankruptcy(self) -> float:
        return self.fee * (self.value + self.grows * self.initial)

    @property
    def fee_on_cost(self) -> float:
        return self.fee * (self.value + self.initial)

    def price_of(self, value: float) -> float:
        return self.size / value if self.inverse else value / self.size


def book_of(case: Case, venue: str, fee_in_margin: float, mark: float | None = None) -> Book:
    """The question: margin posted as the venue holds it, its closing fee in where it has it in."""
    leg = Held(
        case.size,
        case.entry,
        case.long,
        mark,
        case.rate,
        case.amount,
        case.fee,
        case.leverage,
        case.initial + fee_in_margin + case.extra,
        case.inverse,
    )
    return Book(venue, (leg,))


def binance(case: Case) -> float:
    """FAQ b3c689c1f50a44cabb3a84e663b81d93 (USD-M), ceccfcfb4e3a45e3b48b0b1bb1a8ae46 (COIN-M)."""
    wallet = case.initial + case.extra + case.amount
    if case.inverse:
        return case.size * (case.rate + case.side) / (wallet + case.side * case.value)
    return (wallet - case.side * case.value) / (case.size * (case.rate - case.side))


def okx(case: Case) -> float:
    """Help centre, isolated margin: the liquidation fee beside the maintenance rate."""
    margin, share = case.initial + case.extra, case.rate + case.fee
    if case.inverse and case.long:
        return (1.0 + share) * case.size / (case.value + margin)
    if case.inverse:
        return (1.0 - share) * case.size / (case.value - margin)
    return (margin - case.side * case.value) / (case.size * (share - case.side))


def bybit(case: Case) -> float:
    """Help centre 2026-05, isolated (unified account): added margin divided by 1 +- taker.

    Stored for inverse contracts; the linear one is its mirror image.
    """
    added = case.extra / (1.0 + case.grows * case.fee)
    left = case.value + case.grows * (case.initial + added + case.amount)
    if case.inverse:
        return case.size * (1.0 + case.side * case.rate) / left
    return left / (case.size * (1.0 - case.side * case.rate))


def at_entry(case: Case) -> float:
    """Bybit 360039261334 and Liquidation-Price-USDT-Contract, KuCoin 4408061803033, MEXC."""
    maintenance = case.rate * case.value - case.amount
    return case.price_of(case.value + case.grows * (case.initial - maintenance + case.extra))


def hyperliquid(case: Case) -> float:
    """Docs, liquidations: from any price, here the entry; l is the maintenance rate."""
    maintenance = case.rate * case.value - case.amount
    available = case.initial + case.extra - maintenance
    return case.entry - case.side * available / case.size / (1.0 - case.rate * case.side)


def gate(case: Case) -> float:
    """Help centre and support: with taker beside the maintenance rate, no tier amount."""
    margin, share = case.initial + case.extra, case.side * (case.rate + case.fee)
    if case.inverse:
        return (
            case.size * case.entry * (1.0 + share) / (case.size + case.side * margin * case.entry)
        )
    return (case.entry - case.side * margin / case.size) / (1.0 - share)


def htx(case: Case) -> float:
    """Support 900001325083: where equity / position margin is down to the adjustment factor."""
    factor, margin = case.rate * case.leverage, case.initial + case.extra
    kept = 1.0 - case.side * factor / case.leverage
    if case.inverse:
        return (
            case.size
            * (1.0 + case.side * factor / case.leverage)
            / (case.value + case.side * margin)
        )
    return (case.value - case.side * margin) / (case.size * kept)


def bitmex(case: Case) -> float:
    """posMargin less posMaint = r x posCost + posComm, posComm = taker (posCost + posInit)."""
    margin = case.initial + case.fee_on_cost + case.extra
    maintenance = case.rate * case.value - case.amount + case.fee_on_cost
    return case.price_of(case.value + case.grows * (margin - maintenance))


def bitget(case: Case) -> float:
    """Support 12560603808759: the pre-calculated offset is the tier's amount."""
    above = case.initial + case.extra + case.amount - case.side * case.value
    return above / (case.size * (case.rate + case.fee - case.side))


def phemex(case: Case) -> float:
    """Help centre liq-price-for-USDTM: the assigned balance has the close fee in."""
    assigned = case.initial + case.fee_at_bankruptcy + case.extra
    left = case.value - case.side * (assigned + case.amount)
    return left / (1.0 - case.side * (case.fee + case.rate)) / case.size


def delta(case: Case) -> float:
    """User guide, isolated margin: real positions agree."""
    bankruptcy = case.entry - case.side * (case.initial + case.extra) / case.size
    return bankruptcy + case.side * case.rate * case.entry


def edgex(case: Case) -> float:
    """From the bankruptcy price; real positions agree."""
    bankruptcy = case.entry - case.side * (case.initial + case.extra) / case.size
    return bankruptcy / (1.0 - case.side * case.rate)


Formula = Callable[[Case], float]
# A venue -> its formula for linear, its formula for inverse contracts (None: it prints none).
FORMULAS: dict[str, tuple[Formula, Formula | None]] = {
    "generic": (binance, binance),
    "binance": (binance, binance),
    "okx": (okx, okx),
    "bybit": (bybit, bybit),
    "bybit-classic": (at_entry, at_entry),
    "hyperliquid": (hyperliquid, None),
    "dydx": (hyperliquid, None),
    "gate": (gate, gate),
    "htx": (htx, htx),
    "kucoin": (at_entry, at_entry),
    "bitmex": (bitmex, bitmex),
    "mexc": (at_entry, at_entry),
    "krakenfutures": (binance, binance),
    "deribit": (binance, binance),
    "drift": (binance, None),
    "bitget": (bitget, None),
    "phemex": (phemex, None),
    "delta": (delta, None),
    "edgex": (edgex, None),
}
# Whose formulas have no tier amount in them.
WITHOUT_AMOUNT = ("okx", "gate", "htx", "deribit", "drift", "delta", "edgex")
# Whose isolated margin holds the fee for closing.
FEE_IN_MARGIN: dict[str, Callable[[Case], float]] = {
    "bybit": lambda case: case.fee_at_bankruptcy,
    "phemex": lambda case: case.fee_at_bankruptcy,
    "bitmex": lambda case: case.fee_on_cost,
}
