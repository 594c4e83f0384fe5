"""How each venue reckons margin: a row a venue, facts only, read by column and never by name."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.errors import UnknownVenue
from service.risk.columns import Bools, Floats, Ints
from service.risk.model import GENERIC_VENUE, Tiering

Basis = Literal["mark", "entry"]
FeeRule = Literal["none", "on_notional", "at_bankruptcy", "on_cost"]


@dataclass(frozen=True, slots=True)
class VenueRule:
    """One venue's rules; the defaults are Binance's, which are also `generic`'s.

    `basis`: the price whose notional the requirement is taken of. `fee`: the closing fee counted
    inside the maintenance margin: nothing, a share of that notional, or (fixed, whatever the mark
    does) a share of the notional at the bankruptcy price that entry and leverage give, or of the
    entry notional and the initial margin together. Where an isolated position's margin is given,
    its bankruptcy price is the one which that margin gives.
    """

    name: str
    basis_isolated: Basis = "mark"
    basis_cross: Basis = "mark"
    fee_isolated: FeeRule = "none"
    fee_cross: FeeRule = "none"
    default_fee: float = 0.0  # the taker fee where the instrument states none
    tiering: Tiering = "marginal"
    strict: bool = False  # liquidates at maintenance > equity, not at equality
    initial_basis_isolated: Basis = "mark"
    initial_basis_cross: Basis = "mark"
    initial_fee: bool = False  # initial margin holds the fixed closing fee
    bankruptcy_fee: bool = False  # the bankruptcy price leaves room for the closing fee
    funding_hours: float = 8.0  # between payments, where the mark does not say


_ROWS = (
    VenueRule(GENERIC_VENUE),
    VenueRule("binance"),
    VenueRule(
        "okx",
        fee_isolated="on_notional",
        fee_cross="on_notional",
        default_fee=0.0005,
        tiering="whole",
        initial_basis_isolated="entry",
        bankruptcy_fee=True,
    ),
    # With margin added, the printed isolated price divides it by 1 +- taker (help centre, 2026-05):
    # the fee is the one at the bankruptcy price of the margin that is there.
    VenueRule(
        "bybit",
        fee_isolated="at_bankruptcy",
        fee_cross="at_bankruptcy",
        default_fee=0.00055,
        initial_fee=True,
        bankruptcy_fee=True,
    ),
    VenueRule(
        "bybit-classic",
        basis_isolated="entry",
        basis_cross="entry",
        initial_basis_isolated="entry",
        initial_basis_cross="entry",
    ),
    VenueRule("hyperliquid", strict=True, funding_hours=1.0),
    VenueRule("dydx", strict=True, funding_hours=1.0),
    VenueRule(
        "gate",
        fee_isolated="on_notional",
        fee_cross="on_notional",
        default_fee=0.00075,
        bankruptcy_fee=True,
    ),
    VenueRule("htx"),
    # Cross positions carry the fee; an isolated one is the printed entry formula without it.
    VenueRule(
        "kucoin",
        basis_isolated="entry",
        fee_cross="on_notional",
        default_fee=0.0006,
        initial_basis_isolated="entry",
    ),
    # posComm of real positions (API, 2018 and 2019; shorts too) is taker x (posCost + posInit); the
    # bankruptcy price leaves room for just that.
    VenueRule(
        "bitmex",
        basis_isolated="entry",
        basis_cross="entry",
        fee_isolated="on_cost",
        fee_cross="on_cost",
        default_fee=0.00075,
        initial_basis_isolated="entry",
        initial_basis_cross="entry",
        initial_fee=True,
        bankruptcy_fee=True,
    ),
    VenueRule(
        "mexc",
        basis_isolated="entry",
        basis_cross="entry",
        initial_basis_isolated="entry",
        initial_basis_cross="entry",
    ),
    VenueRule("krakenfutures", funding_hours=1.0),
    VenueRule("deribit", tiering="whole"),
    VenueRule("drift", tiering="whole", funding_hours=1.0),
    VenueRule(
        "bitget",
        fee_isolated="on_notional",
        fee_cross="on_notional",
        default_fee=0.0006,
        bankruptcy_fee=True,
    ),
    # Real cross positions there show no fee in the liquidation price, isolated ones do.
    VenueRule(
        "phemex",
        fee_isolated="on_notional",
        default_fee=0.0006,
        initial_fee=True,
        bankruptcy_fee=True,
    ),
    VenueRule(
        "delta",
        basis_isolated="entry",
        basis_cross="entry",
        initial_basis_isolated="entry",
        initial_basis_cross="entry",
    ),
    VenueRule("edgex"),
)

RULES: dict[str, VenueRule] = {rule.name: rule for rule in _ROWS}
_INDEX = {name: index for index, name in enumerate(RULES)}


def rule_index(venue: str) -> int:
    """Return the row of `RULE_COLUMNS` that a venue has; an unknown one raises UnknownVenue."""
    index = _INDEX.get(venue)
    if index is None:
        raise UnknownVenue(f"no margin rules for this venue; known are {', '.join(RULES)}")
    return index


@dataclass(frozen=True, slots=True)
class RuleColumns:
    """The table by column; where a rule depends on the margin mode, row 0 is cross, 1 isolated."""

    on_entry: Bools  # (2, rules) maintenance at entry notional
    fee_on_notional: Bools  # (2, rules)
    fee_at_bankruptcy: Bools  # (2, rules)
    fee_on_cost: Bools  # (2, rules)
    initial_on_entry: Bools  # (2, rules)
    initial_fee: Bools  # (rules,)
    bankruptcy_fee: Bools  # (2, rules)
    default_fee: Floats  # (rules,)
    whole: Bools  # (rules,)
    strict: Bools  # (rules,)


def _by_mode(cross: list[bool], isolated: list[bool]) -> Bools:
    return np.array([cross, isolated], dtype=np.bool_)


def _columns(rules: tuple[VenueRule, ...]) -> RuleColumns:
    counted = _by_mode(
        [r.fee_cross != "none" for r in rules], [r.fee_isolated != "none" for r in rules]
    )
    return RuleColumns(
        on_entry=_by_mode(
            [r.basis_cross == "entry" for r in rules], [r.basis_isolated == "entry" for r in rules]
        ),
        fee_on_notional=_by_mode(
            [r.fee_cross == "on_notional" for r in rules],
            [r.fee_isolated == "on_notional" for r in rules],
        ),
        fee_at_bankruptcy=_by_mode(
            [r.fee_cross == "at_bankruptcy" for r in rules],
            [r.fee_isolated == "at_bankruptcy" for r in rules],
        ),
        fee_on_cost=_by_mode(
            [r.fee_cross == "on_cost" for r in rules], [r.fee_isolated == "on_cost" for r in rules]
        ),
        initial_on_entry=_by_mode(
            [r.initial_basis_cross == "entry" for r in rules],
            [r.initial_basis_isolated == "entry" for r in rules],
        ),
        initial_fee=np.array([r.initial_fee for r in rules]),
        bankruptcy_fee=counted & np.array([r.bankruptcy_fee for r in rules]),
        default_fee=np.array([r.default_fee for r in rules]),
        whole=np.array([r.tiering == "whole" for r in rules]),
        strict=np.array([r.strict for r in rules]),
    )


RULE_COLUMNS = _columns(_ROWS)


def by_mode(column: Bools, isolated: Bools, rule: Ints) -> Bools:
    """Look up a (2, rules) column for rows of these margin modes and rules."""
    return column[isolated.astype(np.intp), rule]
