"""Who pays what a liquidation leaves: a row a venue, facts only, read by column and never by name.

Where each fact is stated stands in `docs/venues.md`; what a venue's documents do not say is off:
no fund, nobody deleveraged, the trader owes. A row is data: whoever asks may put another in place.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Bools, Floats
from service.risk.model import GENERIC_VENUE
from service.risk.venues import RULES

Deleveraging = Literal["none", "bankruptcy", "mark", "mixed"]
Ranking = Literal["return_by_leverage", "move_by_exposure"]
Partial = Literal["whole", "tiers", "requirement", "share"]

# Codes of the columns, in the order of the words above.
NO_DELEVERAGING, AT_BANKRUPTCY, AT_MARK, MIXED = range(4)
RETURN_BY_LEVERAGE, MOVE_BY_EXPOSURE = range(2)
WHOLE, BY_TIERS, TO_REQUIREMENT, BY_SHARE = range(4)
_CODES: dict[str, tuple[str, ...]] = {
    "deleveraging": ("none", "bankruptcy", "mark", "mixed"),
    "ranking": ("return_by_leverage", "move_by_exposure"),
    "partial": ("whole", "tiers", "requirement", "share"),
}
ALL = float("inf")  # of a surplus, of a fund, of a position


@dataclass(frozen=True, slots=True)
class Policy:
    """One venue's policy; the defaults are `generic`'s: what is below zero the trader owes.

    A surplus is what closing a pool leaves above zero: the fund takes up to `surplus_rate` of the
    notional closed, the trader keeps the rest. `claims_borrowed`: protection ends where money was
    borrowed, that much of a shortfall stays a debt. `mixed` deleverages at the bankruptcy price,
    but at the mark where the two are further apart than `mixed_beyond` of the mark.

    `partial` says how much goes at once: all; down to the next lower tiers; as much as meets the
    requirement; or a share of each position, `step_share`, of at least `step_least` and at most
    `step_most` money, positions of at most `whole_to` money at once, and all after `steps`.
    """

    name: str
    negative_balance_protection: bool = False
    claims_borrowed: bool = False
    claims_portfolio: bool = False  # portfolio margin is not protected
    fund: bool = False
    surplus_rate: float = 0.0  # of the notional closed; ALL: the whole surplus
    deleveraging: Deleveraging = "none"
    mixed_beyond: float = 0.05
    ranking: Ranking = "return_by_leverage"
    socialises: bool = False  # what is left is spread over a market's open positions by size
    partial: Partial = "whole"
    step_share: float = 1.0
    step_least: float = 0.0
    step_most: float = ALL
    whole_to: float = 0.0
    steps: float = ALL
    backstop: float = 0.0  # below this share of maintenance all is taken, what is left with it

    @property
    def loans_stay(self) -> bool:
        """Whether of a shortfall nothing stays a debt but what was borrowed."""
        return self.negative_balance_protection and self.claims_borrowed

    @property
    def owed_most(self) -> float:
        """How much of a shortfall stays a debt, but for loans: ALL or nothing."""
        return 0.0 if self.negative_balance_protection else ALL


_ROWS = (
    Policy(GENERIC_VENUE),
    Policy(
        "binance",
        negative_balance_protection=True,
        claims_portfolio=True,
        fund=True,
        deleveraging="bankruptcy",
    ),
    # Its fund is what keeps contracts out of the red; a loan in a unified account stays a loan.
    Policy(
        "okx",
        negative_balance_protection=True,
        claims_borrowed=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="mark",
        partial="tiers",
    ),
    Policy(
        "bybit",
        negative_balance_protection=True,
        claims_borrowed=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="mixed",
    ),
    Policy(
        "bybit-classic",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="bankruptcy",
    ),
    # Its positions are closed at the mark before the gap, which leaves no bad debt: the bankruptcy
    # price is the least that does.
    Policy(
        "hyperliquid",
        negative_balance_protection=True,
        fund=True,
        deleveraging="bankruptcy",
        ranking="move_by_exposure",
        partial="share",
        step_share=0.2,
        whole_to=100_000.0,
        steps=1,
        backstop=2.0 / 3.0,
    ),
    Policy(
        "dydx",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=0.015,
        deleveraging="bankruptcy",
        partial="share",
        step_share=0.1,
        step_least=1_000.0,
        step_most=100_000.0,
    ),
    Policy(
        "gate",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="bankruptcy",
    ),
    Policy("htx"),
    Policy("kucoin"),
    Policy(
        "bitmex",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="bankruptcy",
        partial="tiers",
    ),
    Policy("mexc"),
    Policy("krakenfutures", negative_balance_protection=True, deleveraging="bankruptcy"),
    Policy("deribit", negative_balance_protection=True, fund=True),
    Policy(
        "drift",
        negative_balance_protection=True,
        fund=True,
        socialises=True,
        partial="requirement",
    ),
    Policy(
        "bitget",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="bankruptcy",
    ),
    Policy(
        "phemex",
        negative_balance_protection=True,
        fund=True,
        surplus_rate=ALL,
        deleveraging="bankruptcy",
    ),
    Policy("delta"),
    Policy("edgex"),
)

POLICIES: dict[str, Policy] = {policy.name: policy for policy in _ROWS}


def under_portfolio_margin(policy: Policy) -> Policy:
    """Return the policy as it is for accounts on portfolio margin."""
    protected = policy.negative_balance_protection and not policy.claims_portfolio
    return replace(policy, negative_balance_protection=protected)


@dataclass(frozen=True, slots=True)
class PolicyColumns:
    """The table by column: a row a rule, in the order of `venues.RULES`; words are codes."""

    negative_balance_protection: Bools
    loans_stay: Bools
    owed_most: Floats
    fund: Bools
    surplus_rate: Floats
    deleveraging: NDArray[np.int8]
    mixed_beyond: Floats
    ranking: NDArray[np.int8]
    socialises: Bools
    partial: NDArray[np.int8]
    step_share: Floats
    step_least: Floats
    step_most: Floats
    whole_to: Floats
    steps: Floats
    backstop: Floats


def policy_columns(policies: dict[str, Policy]) -> PolicyColumns:
    """Return the columns of a policy for every venue."""
    rows = [policies[venue] for venue in RULES]
    return PolicyColumns(**{each.name: _column(each.name, rows) for each in fields(PolicyColumns)})


def _column(name: str, rows: list[Policy]) -> Any:
    values = [getattr(row, name) for row in rows]
    if name not in _CODES:
        return np.array(values, dtype=np.bool_ if isinstance(values[0], bool) else np.float64)
    return np.array([_CODES[name].index(value) for value in values], dtype=np.int8)


POLICY_COLUMNS = policy_columns(POLICIES)
