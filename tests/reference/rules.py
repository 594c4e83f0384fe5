"""What each venue's documents say of its margin rules, written down independently."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

Basis = Literal["mark", "entry"]
Fee = Literal["none", "on_notional", "at_bankruptcy"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One venue. A basis says whether a requirement follows the mark or stays at the entry price.

    `fee`: "on_notional" adds the taker fee to the maintenance rate; "at_bankruptcy" adds a fixed
    sum, the fee for closing at the price where the position's own initial margin is used up.
    """

    isolated_basis: Basis = "mark"
    cross_basis: Basis = "mark"
    isolated_initial_basis: Basis = "mark"
    cross_initial_basis: Basis = "mark"
    isolated_fee: Fee = "none"
    cross_fee: Fee = "none"
    initial_fee: bool = False  # the fee at bankruptcy is part of the initial margin
    bankruptcy_fee: bool = False  # the fee at bankruptcy is owed at the bankruptcy price
    default_fee: Fraction = Fraction(0)
    whole: bool = False
    strict: bool = False
    protected: bool = False  # negative-balance protection: nothing is owed


MARK = Rule()
ENTRY = Rule(
    isolated_basis="entry",
    cross_basis="entry",
    isolated_initial_basis="entry",
    cross_initial_basis="entry",
)


def _fee(rule: Rule, kind: Fee, rate: str) -> Rule:
    return replace(rule, isolated_fee=kind, cross_fee=kind, default_fee=Fraction(float(rate)))


RULES: dict[str, Rule] = {
    "generic": MARK,
    "binance": replace(MARK, protected=True),
    "okx": replace(_fee(MARK, "on_notional", "0.0005"), whole=True, isolated_initial_basis="entry"),
    "bybit": replace(_fee(MARK, "at_bankruptcy", "0.00055"), initial_fee=True, bankruptcy_fee=True),
    "bybit-classic": ENTRY,
    "hyperliquid": replace(MARK, strict=True, protected=True),
    "dydx": replace(MARK, strict=True, protected=True),
    "gate": _fee(MARK, "on_notional", "0.00075"),
    "htx": MARK,
    "kucoin": replace(
        _fee(MARK, "at_bankruptcy", "0.0006"),
        cross_fee="on_notional",
        isolated_basis="entry",
        isolated_initial_basis="entry",
        initial_fee=True,
        bankruptcy_fee=True,
    ),
    "bitmex": replace(
        _fee(ENTRY, "at_bankruptcy", "0.00075"),
        initial_fee=True,
        bankruptcy_fee=True,
        protected=True,
    ),
    "mexc": ENTRY,
    "krakenfutures": replace(MARK, protected=True),
    "deribit": replace(MARK, protected=True),
    "drift": MARK,
    "bitget": _fee(MARK, "on_notional", "0.0006"),
    "phemex": replace(_fee(MARK, "on_notional", "0.0006"), initial_fee=True),
    "delta": ENTRY,
    "edgex": MARK,
}
