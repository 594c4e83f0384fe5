"""What each venue's documents say of its margin rules, written down independently."""

from dataclasses import dataclass, replace
from typing import Literal

from tests.reference.rational import Fraction

ZERO = Fraction(0)

Basis = Literal["mark", "entry"]
Fee = Literal["none", "on_notional", "at_bankruptcy", "on_cost"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One venue. A basis says whether a requirement follows the mark or stays at the entry price.

    `fee`: "on_notional" adds the taker fee to the maintenance rate; "at_bankruptcy" adds a fixed
    sum, the fee for closing at the price where the position's own margin is used up; "on_cost" a
    fixed sum, the fee on the position's value at entry and its initial margin together.
    """

    isolated_basis: Basis = "mark"
    cross_basis: Basis = "mark"
    isolated_initial_basis: Basis = "mark"
    cross_initial_basis: Basis = "mark"
    isolated_fee: Fee = "none"
    cross_fee: Fee = "none"
    initial_fee: bool = False  # the fixed fee is part of the initial margin
    bankruptcy_fee: bool = False  # a counted closing fee is owed at the bankruptcy price too
    default_fee: Fraction = ZERO
    whole: bool = False
    strict: bool = False
    protected: bool = False  # negative-balance protection: nothing is owed
    loans_stay: bool = False  # but what was borrowed is


MARK = Rule()
ENTRY = Rule("entry", "entry", "entry", "entry")


def _with_fee(rule: Rule, kind: Fee, rate: float) -> Rule:
    return replace(
        rule,
        isolated_fee=kind,
        cross_fee=kind,
        default_fee=Fraction(rate),
        bankruptcy_fee=True,
        initial_fee=kind in ("at_bankruptcy", "on_cost"),
    )


RULES: dict[str, Rule] = {
    "generic": MARK,
    "binance": replace(MARK, protected=True),
    "okx": replace(
        _with_fee(MARK, "on_notional", 0.0005),
        whole=True,
        isolated_initial_basis="entry",
        protected=True,
        loans_stay=True,
    ),
    "bybit": replace(_with_fee(MARK, "at_bankruptcy", 0.00055), protected=True, loans_stay=True),
    "bybit-classic": replace(ENTRY, protected=True),
    "hyperliquid": replace(MARK, strict=True, protected=True),
    "dydx": replace(MARK, strict=True, protected=True),
    "gate": replace(_with_fee(MARK, "on_notional", 0.00075), protected=True),
    "htx": MARK,
    # The isolated formula is printed without a fee; real cross positions have it in.
    "kucoin": Rule(
        isolated_basis="entry",
        isolated_initial_basis="entry",
        cross_fee="on_notional",
        default_fee=Fraction(0.0006),
    ),
    # posComm = taker (posCost + posInit), long or short, and is not there for the bankruptcy price.
    "bitmex": replace(_with_fee(ENTRY, "on_cost", 0.00075), protected=True),
    "mexc": ENTRY,
    "krakenfutures": replace(MARK, protected=True),
    "deribit": replace(MARK, whole=True, protected=True),
    "drift": replace(MARK, whole=True, protected=True),
    "bitget": replace(_with_fee(MARK, "on_notional", 0.0006), protected=True),
    # Real cross positions show no fee in the liquidation price.
    "phemex": replace(
        _with_fee(MARK, "on_notional", 0.0006), cross_fee="none", initial_fee=True, protected=True
    ),
    "delta": ENTRY,
    "edgex": MARK,
}
