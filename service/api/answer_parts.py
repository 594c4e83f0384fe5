"""Pools and positions of an evaluation, as texts: the parts an account's answer is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from service.api.figures import Figures
from service.api.weaving import Texts, each, figures, nothing, records, words
from service.contract.alerts import LevelName, ToRestore
from service.contract.evaluation import AfterGap, PoolAnswer, PositionAnswer
from service.contract.quality import QUALITY_NAMES
from service.risk.aftermath import REASONS as AFTERMATH_REASONS
from service.risk.columns import Batch, Bools, Int8s, Ints, Statements, Words
from service.risk.gaps import REASONS as GAP_REASONS
from service.risk.gaps import Gaps
from service.risk.levels import Levels
from service.risk.liquidation import REASONS as PRICE_REASONS
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.quality import Quality
from service.risk.restore import Restoration

FROM_REQUEST_MS = -1  # the event time of marks that came in the body of the call
LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
SIDES, FLAGS = ("long", "short"), (False, True)
_KINDS = ("cross", "isolated")
_PRICE_REASONS = [reason or None for reason in PRICE_REASONS]
_GAP_REASONS = [reason or None for reason in GAP_REASONS]
_AFTERMATH_REASONS = [reason or None for reason in AFTERMATH_REASONS]
_POOL_REASONS = (None, "no_equity", "no_collateral_price", "no_mark", "no_instrument")


@dataclass(slots=True)
class Evaluated:
    """What is evaluated, as columns, and the figures."""

    names: Sequence[str]
    given: Statements
    batch: Batch
    assessment: Assessment
    figures: Figures
    restoration: Restoration
    level: Levels  # of pools, without what only a doubtful mark says
    side: Texts  # of legs
    symbol: Texts  # of legs


def quality_columns(quality: Int8s) -> tuple[Texts, Texts]:
    """Return whether marks are stale, and the word for their quality."""
    return words(FLAGS, quality == Quality.STALE), words(QUALITY_NAMES, quality)


def pool_answers(asked: Evaluated, table: MarketTable, reductions: Texts) -> Texts:
    """Return the pools; `reductions` are the lists of what each could be cut by."""
    pools, found = asked.batch.pools, asked.figures
    assets = Words.of(pools.settle.tolist())
    symbol, side = _of_isolated(asked)
    gaps, (most, deposit, *money) = (
        _gap_columns(found.pool_gaps),
        figures((found.max_loss.money, asked.restoration.deposit, *found.of_pools)),
    )
    return records(
        PoolAnswer,
        (
            words(_KINDS, pools.isolated),
            words([table.asset_name(asset) for asset in assets.words], assets.code),
            symbol,
            side,
            words(LEVELS, asked.level),
            words(_POOL_REASONS, _pool_reasons(asked)),
            *quality_columns(asked.assessment.pools.quality),
            *money,
            most,
            words(_GAP_REASONS, found.max_loss.reason),
            *gaps,
            _aftermaths(asked),
            records(ToRestore, (deposit, reductions)),
        ),
    )


def _of_isolated(asked: Evaluated) -> tuple[Texts, Texts]:
    """Return symbol and side of the one position of isolated pools, null of others."""
    legs, isolated = asked.batch.legs, asked.batch.pools.isolated
    leg = np.zeros(len(isolated), np.int64)
    leg[legs.pool] = np.arange(len(legs.pool))
    names = asked.given.symbol
    symbol = np.full(len(isolated), len(names.words))
    symbol[isolated] = names.code[leg[isolated]]
    side = np.full(len(isolated), len(SIDES))
    side[isolated] = legs.contracts[leg[isolated]] < 0.0
    return words((*names.words, None), symbol), words((*SIDES, None), side)


def _gap_columns(gaps: Gaps) -> tuple[Texts, ...]:
    """Return the gap to liquidation, its reason, the gap to a debt, its reason."""
    liquidation, owe = figures((gaps.liquidation_pct, gaps.owe_pct))
    return (
        liquidation,
        words(_GAP_REASONS, gaps.liquidation_reason),
        owe,
        words(_GAP_REASONS, gaps.owe_reason),
    )


def _aftermaths(asked: Evaluated) -> Texts:
    found = asked.figures.aftermath
    if found is None:
        return nothing(len(asked.level))
    payers = (found.fund, found.deleveraged, found.socialised, found.owed, found.venue)
    return records(
        AfterGap,
        (
            words(LEVELS, found.level),
            words(_AFTERMATH_REASONS, found.reason),
            *figures((found.equity, found.shortfall, *payers)),
        ),
    )


def _pool_reasons(asked: Evaluated) -> Ints:
    """Return why figures of a pool are null; the first thing that is missing has the word."""
    batch, pools = asked.batch, asked.assessment.pools
    reason = np.where(pools.equity <= 0.0, _POOL_REASONS.index("no_equity"), 0)
    if pools.unpriced.any():
        reason[pools.unpriced] = _POOL_REASONS.index("no_collateral_price")
        no_mark = np.isnan(asked.assessment.legs.mark)
        reason[batch.legs.pool[no_mark]] = _POOL_REASONS.index("no_mark")
        no_instrument = batch.markets.table[batch.legs.market] < 0
        reason[batch.legs.pool[no_instrument]] = _POOL_REASONS.index("no_instrument")
    return reason


def position_answers(asked: Evaluated, table: MarketTable, now_ms: int) -> Texts:
    """Return the positions in the order they were given; marks have their age at `now_ms`."""
    batch, legs = asked.batch, asked.batch.legs
    found, solved = asked.figures, asked.figures.solved
    own = ~np.isnan(legs.mark)
    contracts, mark, *money = figures(
        (np.abs(legs.contracts), asked.assessment.legs.mark, *found.of_legs, *found.of_prices)
    )
    below, above, bankruptcy, distance = money[len(found.of_legs) :]
    listed, venue, source, age = _market_columns(legs.market, own, table, now_ms)
    return records(
        PositionAnswer,
        (
            asked.symbol,
            asked.side,
            contracts,
            words(_KINDS, asked.given.isolated),
            listed,
            venue,
            source,
            mark,
            age,
            *quality_columns(np.where(own, Quality.GOOD, batch.markets.quality[legs.market])),
            *money[: len(found.of_legs)],
            words(_PRICE_REASONS, solved.reason),
            below,
            above,
            bankruptcy,
            words(_PRICE_REASONS, solved.bankruptcy_reason),
            distance,
            *_gap_columns(found.leg_gaps),
        ),
    )


def _market_columns(market: Ints, own: Bools, table: MarketTable, now_ms: int) -> Iterator[Texts]:
    """Yield instrument venue, mark venue, source and mark age, each a column of legs."""
    markets = Words.of(market.tolist())
    rows = [_market_facts(table, each, now_ms) for each in markets.words]
    code = np.where(own, len(rows), markets.code)
    yield words([row[0] for row in rows], markets.code)
    yield words([*(row[1] for row in rows), None], code)
    yield words([*(row[2] for row in rows), "position"], code)
    yield each([*(row[3] for row in rows), 0]).taken(code)


def _market_facts(
    table: MarketTable, market: int, now_ms: int
) -> tuple[str | None, str | None, str | None, int | None]:
    instrument_venue, time_ms = table.instrument_venue(market), table.mark_time(market)
    if time_ms is None:
        return instrument_venue, None, None, None
    if time_ms == FROM_REQUEST_MS:
        return instrument_venue, table.mark_venue(market), "request", 0
    return instrument_venue, table.mark_venue(market), "stream", max(0, now_ms - time_ms)
