"""What a health check is asked, what it is asked with, and what it answers: findings.

A finding names what was measured, the limit it is over, and the changes that clear it, each by
itself: the smallest that does, a hair on the safe side. Rules flag what is over a limit, never what
is at it, so that doing exactly what a finding says is enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints
from service.risk.conditions import Bands
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.model import HealthLimits
from service.risk.volatility import Volatility

Severity = Literal["info", "warning", "critical"]
Unit = Literal["ratio", "price", "money", "standard_deviations", "hours", "milliseconds", "none"]
Action = Literal[
    "deposit",  # money into the finding's pool: the balance of a cross, the margin of an isolated
    "reduce",  # contracts of the finding's position, closed at the mark
    "reduce_pool",  # a share of every position of the pool
    "reduce_coin",  # a share of every position of the account in that coin and on that side
    "set_stop",  # a stop-loss at that price
    "isolate",  # the position alone, with that margin (settle asset) taken from its pool
    "post_mark",  # the rest have no amount
    "put_instrument",
    "price_collateral",
]
_WITHOUT_AMOUNT: frozenset[Action] = frozenset({"post_mark", "put_instrument", "price_collateral"})
# Changes are this much on the safe side (relative), so that whoever makes one is not over.
SAFELY = 1e-10

# Every code a finding can have, and how much it matters.
SEVERITY: dict[str, Severity] = {
    "leverage_above_limit": "warning",
    "position_too_large": "warning",
    "concentrated": "info",
    "no_stop_loss": "warning",
    "stop_loss_passed": "warning",
    "stop_loss_beyond_liquidation": "critical",
    "stop_loss_above_budget": "warning",
    "isolated_would_bound_loss": "info",
    "buffer_thin": "critical",
    "funding_eats_margin": "warning",
    "market_volatile": "warning",
    "market_diverged": "warning",
    "mark_stale": "warning",
    "mark_missing": "critical",
    "instrument_missing": "critical",
    "collateral_unpriced": "critical",
}


@dataclass(frozen=True, slots=True)
class MarketColumns:
    """In what condition a leg's market is, and the bands that this is held against."""

    annual: Floats  # the larger of its volatilities a year; NaN: not known
    divergence: Floats  # of its mark from its index, as a share; signed
    bands: Bands = field(default_factory=Bands)

    def rows(self, rows: Ints) -> "MarketColumns":
        """Return some rows, in this order."""
        return MarketColumns(self.annual[rows], self.divergence[rows], self.bands)


@dataclass(slots=True)
class HealthInputs:
    """What an evaluation does not know, a row a leg; NaN: not given."""

    stop_price: Floats  # the mark at which the position is closed
    budget: Floats  # what its stop may lose, fees in, in its settle asset
    funding_per_h: Floats  # share of notional that longs pay shorts an hour; NaN counts as 0
    mark_age_ms: Floats
    volatility: Volatility  # of its market
    condition: MarketColumns


@dataclass(frozen=True, slots=True)
class Change:
    """One way to clear a finding; `amount` is NaN for actions that have none."""

    action: Action
    amount: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is over a limit. Money is the pool's, a stop's the position's settle asset."""

    code: str
    account: int
    pool: int
    leg: int | None  # None: it is the pool's
    measured: float
    limit: float
    unit: Unit
    changes: tuple[Change, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        return SEVERITY[self.code]


@dataclass(frozen=True, slots=True)
class Examined:
    """One evaluation with all that the rules ask of it.

    An account's money is its totals' currency; NaN where they are not known.
    """

    batch: Batch
    assessment: Assessment
    prices: LegPrices
    limits: HealthLimits
    inputs: HealthInputs
    in_account: Floats  # a pool: what a unit of its money is in its account's
    equity: Floats  # an account


@dataclass(slots=True)
class Rule:
    """What one rule says of every leg or every pool: a column each; NaN in a change: no way."""

    code: str
    flagged: Bools
    measured: Floats
    limit: Floats | float
    unit: Unit
    changes: Mapping[Action, Floats]
    figures: Mapping[str, Floats] = field(default_factory=dict)
    by_pool: bool = False

    def findings(self, batch: Batch) -> list[Finding]:
        """Return one record for each row that is flagged."""
        rows = np.flatnonzero(self.flagged)
        limit = np.broadcast_to(self.limit, self.flagged.shape)
        return [self._finding(batch, row, float(limit[row])) for row in rows.tolist()]

    def _finding(self, batch: Batch, row: int, limit: float) -> Finding:
        pool = row if self.by_pool else int(batch.legs.pool[row])
        amounts = {action: float(column[row]) for action, column in self.changes.items()}
        return Finding(
            code=self.code,
            account=int(batch.pools.account[pool]),
            pool=pool,
            leg=None if self.by_pool else row,
            measured=float(self.measured[row]),
            limit=limit,
            unit=self.unit,
            changes=tuple(
                Change(action, amount)
                for action, amount in amounts.items()
                if action in _WITHOUT_AMOUNT or not np.isnan(amount)
            ),
            figures={name: float(column[row]) for name, column in self.figures.items()},
        )
