"""Every figure of an answer as a column, in the contract's order, and which ones overflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from service.contract.chosen import EVERYTHING, Chosen
from service.errors import Fault, InvalidInput
from service.risk.aftermath import UNPRICED, Aftermath, aftermath
from service.risk.columns import Batch, Bools, Floats
from service.risk.gaps import Gaps, MaxLoss
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.restore import Restoration
from service.risk.summary import EVERY_SEARCH, Searches, Summary, summarise
from service.risk.totals import AccountTotals
from service.side_by_side import side_by_side

Columns: TypeAlias = tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a caller supposes of a pool's symbols moving at once; see the contract's request."""

    betas: Mapping[str, float] = field(default_factory=dict)  # 1 where a symbol is not named
    gap_pct: float | None = None  # None: no gap is asked for


@dataclass(slots=True)
class Figures:
    """Columns named like the fields of the `PoolAnswer` (and so on) that they fill."""

    totals: AccountTotals
    solved: LegPrices
    restoration: Restoration
    leg_gaps: Gaps
    pool_gaps: Gaps
    max_loss: MaxLoss
    aftermath: Aftermath | None  # None: no gap was asked for
    overflown: Bools  # accounts with a figure that has all it needs and is no finite number
    of_accounts: Columns  # equity .. owed
    of_pools: Columns  # wallet_balance .. owed
    of_legs: Columns  # notional .. liquidation_price
    of_prices: Columns  # liquidation_price_below, .._above, bankruptcy_price, distance_pct
    searches: Searches  # what of it was looked for: the rest is unknown


def figures_of(
    batch: Batch,
    assessment: Assessment,
    symbols: Sequence[str],
    accounts: int,
    *,
    level: NDArray[np.int8],
    supposed: Supposed,
    chosen: Chosen = EVERYTHING,
) -> Figures:
    """Return the figures of a batch that are chosen; `level` is where its pools stand.

    `symbols` are its legs', read where betas are given.

    Raises InvalidInput where the gap asked for would take a price to 0 or beyond.
    """
    part = beta = None
    if supposed.betas:
        part = np.array([supposed.betas.get(symbol, 1.0) for symbol in symbols], np.float64)
        beta = np.ones(len(batch.markets.mark))
        beta[batch.legs.market] = part
    searches = searches_of(chosen)
    found = summarise(
        batch,
        assessment,
        accounts,
        level,
        beta=beta,
        searches=searches,
        side_by_side=side_by_side,
    )
    solved = LegPrices(*found.prices)
    after = _aftermath(batch, assessment, part, supposed.gap_pct)
    return Figures(
        totals=found.totals,
        solved=solved,
        restoration=Restoration(found.restored.deposit, found.restored.reduce),
        leg_gaps=found.leg_gaps,
        pool_gaps=found.pool_gaps,
        max_loss=found.max_loss,
        aftermath=after,
        overflown=_overflown(batch, assessment, found, after),
        of_accounts=_of_accounts(found.totals),
        of_pools=_of_pools(assessment, found),
        of_legs=_of_legs(batch, assessment, solved),
        of_prices=(solved.below, solved.above, solved.bankruptcy, solved.distance_pct),
        searches=searches,
    )


def searches_of(chosen: Chosen) -> Searches:
    """Return what has to be looked for to answer fields of an account."""
    if chosen is EVERYTHING:
        return EVERY_SEARCH
    pools, positions = chosen.inside("pools"), chosen.inside("positions")
    moves = pools.has_any(*_OF_MOVES)
    return Searches(
        prices=moves or positions.has_any(*_OF_PRICES),
        falls=pools.has_any(*_OF_FALLS),
        moves=moves,
        restoration=chosen.has(_RESTORATION) or pools.has(_RESTORATION),
    )


_OF_FALLS, _RESTORATION = ("maxLoss", "maxLossReason"), "toRestore"
_OF_MOVES = (
    "gapToLiquidationPct",
    "gapToLiquidationReason",
    "gapToOwePct",
    "gapToOweReason",
)
_OF_PRICES = (
    *_OF_MOVES,
    "liquidationPrice",
    "liquidationPriceReason",
    "liquidationPriceBelow",
    "liquidationPriceAbove",
    "bankruptcyPrice",
    "bankruptcyPriceReason",
    "distancePct",
)


def _aftermath(
    batch: Batch, assessment: Assessment, part: Floats | None, gap_pct: float | None
) -> Aftermath | None:
    if gap_pct is None:
        return None
    part = np.ones(len(batch.legs.pool)) if part is None else part
    factor = 1.0 + part * (gap_pct / 100.0)
    if not np.all((factor > 0.0) & np.isfinite(factor)):
        detail = "this move, times the beta of a symbol, leaves a mark no price"
        raise InvalidInput.of(Fault("/gap/movePct", "out_of_range", detail))
    return aftermath(batch, assessment, factor)


def _of_accounts(totals: AccountTotals) -> Columns:
    return (
        totals.equity,
        totals.wallet,
        totals.unrealised_pnl,
        totals.initial_margin,
        totals.maintenance_margin,
        totals.margin_ratio,
        totals.health_factor,
        totals.available_margin,
        totals.margin_deficit,
        totals.shortfall,
        totals.owed,
    )


def _of_pools(assessment: Assessment, found: Summary) -> Columns:
    pools = assessment.pools
    return (
        pools.wallet,
        pools.unrealised_pnl,
        pools.equity,
        pools.initial_margin,
        pools.maintenance_margin,
        pools.margin_ratio,
        *found.derived,
    )


def _of_legs(batch: Batch, assessment: Assessment, solved: LegPrices) -> Columns:
    legs = assessment.legs
    return (
        legs.notional,
        legs.unrealised_pnl,
        legs.initial_margin,
        legs.maintenance_margin,
        assessment.pools.margin_ratio[batch.legs.pool],
        legs.leverage,
        solved.liquidation,
    )


def _overflown(
    batch: Batch, assessment: Assessment, found: Summary, after: Aftermath | None
) -> Bools:
    if after is None:
        return found.overflown
    bad = np.isinf(after.equity) | np.isinf(after.shortfall)
    bad |= (after.reason == UNPRICED) & ~assessment.pools.unpriced
    by_account = np.bincount(batch.pools.account, bad, len(found.overflown)) > 0.0
    return found.overflown | by_account
