"""Pools and positions of an evaluation, as texts: the parts an account's answer is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np

from service.api.figures import Figures
from service.api.weaving import (
    Coded,
    Column,
    Lists,
    Records,
    counted,
    figures,
    nothing,
    records,
    vocabulary,
    words,
)
from service.contract.alerts import LevelName, ToRestore
from service.contract.chosen import Chosen
from service.contract.evaluation import AfterGap, PoolAnswer, PositionAnswer
from service.contract.quality import QUALITY_NAMES
from service.risk.aftermath import REASONS as AFTERMATH_REASONS
from service.risk.batch import distinct
from service.risk.columns import Batch, Bools, Int8s, Ints, Statements
from service.risk.gaps import REASONS as GAP_REASONS
from service.risk.gaps import Gaps
from service.risk.levels import Levels
from service.risk.liquidation import REASONS as PRICE_REASONS
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.quality import Quality
from service.risk.worded import POOL_REASONS, Restoring, Worded

FROM_REQUEST_MS = -1  # the event time of marks that came in the body of the call
LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
LEVEL_WORDS, FLAG_WORDS = vocabulary(LEVELS), vocabulary((False, True))
_QUALITY_WORDS = vocabulary(QUALITY_NAMES)
_STALE_WORDS = vocabulary([quality == Quality.STALE for quality in Quality])
SIDE_WORDS = vocabulary(("long", "short", None))
_KINDS = vocabulary(("cross", "isolated"))
_PRICE_REASONS = vocabulary([reason or None for reason in PRICE_REASONS])
_GAP_REASONS = vocabulary([reason or None for reason in GAP_REASONS])
_AFTERMATH_REASONS = vocabulary([reason or None for reason in AFTERMATH_REASONS])
_NO_SIDE = 2
_POOL_REASONS = vocabulary([reason or None for reason in POOL_REASONS])


@dataclass(slots=True)
class Evaluated:
    """What is evaluated, as columns, and the figures."""

    ids: Coded  # of accounts
    accounts: int
    given: Statements
    batch: Batch
    assessment: Assessment
    figures: Figures
    level: Levels  # of pools, without what only a doubtful mark says
    said: Worded
    needed: Restoring  # nothing where that is not asked
    side: Coded  # of legs
    symbol: Coded  # of legs
    chosen: Chosen  # of the fields of an account


def quality_columns(quality: Int8s) -> tuple[Coded, Coded]:
    """Return whether marks are stale, and the word for their quality."""
    return Coded(_STALE_WORDS, quality), Coded(_QUALITY_WORDS, quality)


def pool_answers(asked: Evaluated, table: MarketTable, reductions: Lists | None) -> Records:
    """Return the pools; `reductions` are the lists of what each could be cut by, where asked."""
    pools, found = asked.batch.pools, asked.figures
    assets = distinct(pools.settle)
    symbol, side = _of_isolated(asked)
    gaps, (most, deposit, *money) = (
        _gap_columns(found.pool_gaps),
        figures((found.max_loss.money, found.restoration.deposit, *found.of_pools)),
    )
    return records(
        PoolAnswer,
        (
            Coded(_KINDS, pools.isolated),
            words([table.asset_name(asset) for asset in assets.words], assets.code),
            symbol,
            side,
            Coded(LEVEL_WORDS, asked.level),
            Coded(_POOL_REASONS, asked.said.reason),
            *quality_columns(asked.assessment.pools.quality),
            *money,
            most,
            Coded(_GAP_REASONS, found.max_loss.reason),
            *gaps,
            _aftermaths(asked),
            records(ToRestore, (deposit, reductions), len(pools.rule)),
        ),
        len(pools.rule),
    )


def _of_isolated(asked: Evaluated) -> tuple[Coded, Coded]:
    """Return symbol and side of the one position of isolated pools, null of others."""
    legs, isolated = asked.batch.legs, asked.batch.pools.isolated
    if not np.count_nonzero(isolated):
        return nothing(len(isolated)), nothing(len(isolated))
    leg = np.zeros(len(isolated), np.int64)
    leg[legs.pool] = np.arange(len(legs.pool))
    names = asked.given.symbol
    symbol = np.full(len(isolated), len(names.words))
    symbol[isolated] = names.code[leg[isolated]]
    side = np.full(len(isolated), _NO_SIDE)
    side[isolated] = legs.contracts[leg[isolated]] < 0.0
    return words((*names.words, None), symbol), Coded(SIDE_WORDS, side)


def _gap_columns(gaps: Gaps) -> tuple[Column, ...]:
    """Return the gap to liquidation, its reason, the gap to a debt, its reason."""
    liquidation, owe = figures((gaps.liquidation_pct, gaps.owe_pct))
    return (
        liquidation,
        Coded(_GAP_REASONS, gaps.liquidation_reason),
        owe,
        Coded(_GAP_REASONS, gaps.owe_reason),
    )


def _aftermaths(asked: Evaluated) -> Column:
    found = asked.figures.aftermath
    if found is None:
        return nothing(len(asked.level))
    payers = (found.fund, found.deleveraged, found.socialised, found.owed, found.venue)
    return records(
        AfterGap,
        (
            Coded(LEVEL_WORDS, found.level),
            Coded(_AFTERMATH_REASONS, found.reason),
            *figures((found.equity, found.shortfall, *payers)),
        ),
        len(found.level),
    )


def position_answers(asked: Evaluated, table: MarketTable, now_ms: int) -> Records:
    """Return the positions in the order they were given; marks have their age at `now_ms`."""
    said, found, solved = asked.said, asked.figures, asked.figures.solved
    contracts, mark, *money = figures(
        (said.size, asked.assessment.legs.mark, *found.of_legs, *found.of_prices)
    )
    below, above, bankruptcy, distance = money[len(found.of_legs) :]
    listed, venue, source, age = _market_columns(asked.batch.legs.market, said.own, table, now_ms)
    return records(
        PositionAnswer,
        (
            asked.symbol,
            asked.side,
            contracts,
            Coded(_KINDS, asked.given.isolated),
            listed,
            venue,
            source,
            mark,
            age,
            *quality_columns(said.marked),
            *money[: len(found.of_legs)],
            Coded(_PRICE_REASONS, solved.reason),
            below,
            above,
            bankruptcy,
            Coded(_PRICE_REASONS, solved.bankruptcy_reason),
            distance,
            *_gap_columns(found.leg_gaps),
        ),
        len(said.own),
    )


def _market_columns(market: Ints, own: Bools, table: MarketTable, now_ms: int) -> Iterator[Coded]:
    """Yield instrument venue, mark venue, source and mark age, each a column of legs."""
    markets = distinct(market)
    origins = table.origins(markets.words)
    listed = origins.code[markets.code]
    code = np.where(own, len(origins.words), listed) if np.count_nonzero(own) else listed
    told = [_source_and_age(each.mark_time_ms, now_ms) for each in origins.words]
    yield words([each.instrument_venue for each in origins.words], listed)
    yield words([*(each.mark_venue for each in origins.words), None], code)
    yield words([*(source for source, _ in told), "position"], code)
    yield Coded(counted([*(age_ms for _, age_ms in told), 0]), code)


def _source_and_age(time_ms: int | None, now_ms: int) -> tuple[str | None, int | None]:
    if time_ms is None:
        return None, None
    return ("request", 0) if time_ms == FROM_REQUEST_MS else ("stream", max(0, now_ms - time_ms))
