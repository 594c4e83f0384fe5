"""From columns to the contract's answer: every figure is computed and turned into a list once for the whole batch, then cut by account.

A NaN in a list is written as null, so a figure that is not known needs no test of its own; the reasons stand beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

import numpy as np

from service.contract.alerts import LevelName, Reduction, ToRestore
from service.contract.evaluation import AccountAnswer, PoolAnswer, PositionAnswer
from service.risk.batch import build_batch
from service.risk.columns import Batch, Bools, Floats, sums_by
from service.risk.evaluate import assess, prices
from service.risk.levels import cap_stale
from service.risk.liquidation import REASONS as PRICE_REASONS
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import USD, Account, PoolKey
from service.risk.restore import Restoration, owed, shortfall, to_restore
from service.risk.totals import (
    IN_USD,
    account_totals,
    available_margin,
    health_factor,
    margin_deficit,
)
from service.risk.totals import REASONS as TOTALS_REASONS

FROM_REQUEST_MS = -1  # the event time of marks that came in the body of the call
_LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
_PRICE_REASONS = [reason or None for reason in PRICE_REASONS]
_TOTALS_REASONS = [reason or None for reason in TOTALS_REASONS]


@dataclass(slots=True)
class _Asked:
    """What is evaluated: accounts, their pools by name, all as columns, and the figures."""

    accounts: Sequence[Account]
    pool_keys: list[list[PoolKey]]
    batch: Batch
    assessment: Assessment
    restoration: Restoration
    levels: list[int]  # of pools, without what only a stale mark says


def answer_accounts(
    accounts: Sequence[Account],
    table: MarketTable,
    now_ms: int,
    standing: Mapping[PoolKey, int] = MappingProxyType({}),
) -> tuple[list[AccountAnswer], list[int]]:
    """Return the answers in order, and the indices of accounts left out because a figure overflows.

    `standing` are levels that pools are at already: a stale mark raises nobody to LIQUIDATION or
    BANKRUPT, but it does not bring anybody down either.
    """
    if not accounts:
        return [], []
    batch, pool_keys = build_batch(accounts, table)
    assessment = assess(batch)
    current = np.array([standing.get(key, 0) for keys in pool_keys for key in keys], dtype=np.int8)
    level = cap_stale(assessment.pools.level, current, assessment.pools.stale)
    restoration = to_restore(batch, assessment, level)
    asked = _Asked(accounts, pool_keys, batch, assessment, restoration, level.tolist())
    answers = list(_account_answers(asked, table, now_ms))
    overflown = _overflown(asked)
    if not overflown.any():
        return answers, []
    kept = [answer for answer, bad in zip(answers, overflown, strict=True) if not bad]
    return kept, np.flatnonzero(overflown).tolist()


def _account_answers(asked: _Asked, table: MarketTable, now_ms: int) -> Iterator[AccountAnswer]:
    pools, positions = _pool_answers(asked), _position_answers(asked, table, now_ms)
    totals = account_totals(asked.batch, asked.assessment, len(asked.accounts))
    currencies = [
        USD if asset == IN_USD else table.asset_name(asset) for asset in totals.settle.tolist()
    ]
    figures = zip(
        totals.equity.tolist(),
        totals.wallet.tolist(),
        totals.unrealised_pnl.tolist(),
        totals.initial_margin.tolist(),
        totals.maintenance_margin.tolist(),
        totals.margin_ratio.tolist(),
        totals.health_factor.tolist(),
        totals.available_margin.tolist(),
        totals.margin_deficit.tolist(),
        totals.shortfall.tolist(),
        totals.owed.tolist(),
        strict=True,
    )
    reasons = totals.reason.tolist()
    deposits = _account_deposits(asked, totals.settle == IN_USD).tolist()
    pool = leg = 0
    for index, (account, row) in enumerate(zip(asked.accounts, figures, strict=True)):
        pools_end = pool + len(asked.pool_keys[index])
        legs_end = leg + len(account.positions)
        own = pools[pool:pools_end]
        yield AccountAnswer(
            account.account_key,
            _LEVELS[max(asked.levels[pool:pools_end], default=0)],
            currencies[index],
            _TOTALS_REASONS[reasons[index]],
            any(answer.stale for answer in own),
            *row,  # type: ignore[call-arg]  # eleven figures, in the order of the record
            ToRestore(deposits[index], [cut for answer in own for cut in answer.to_restore.reduce]),
            own,
            positions[leg:legs_end],
        )
        pool, leg = pools_end, legs_end


def _account_deposits(asked: _Asked, in_usd: Bools) -> Floats:
    """Return the deposits of each account's pools in the currency of its totals."""
    batch, account = asked.batch, asked.batch.pools.account
    factor = np.where(in_usd[account], batch.asset_price[batch.pools.settle], 1.0)
    deposit = asked.restoration.deposit
    worth = np.where(deposit == 0.0, 0.0, deposit * factor)
    return sums_by(account, worth, len(asked.accounts))


def _pool_answers(asked: _Asked) -> list[PoolAnswer]:
    figures, batch = asked.assessment.pools, asked.batch
    keys = [key for keys in asked.pool_keys for key in keys]
    equity, maintenance = figures.equity, figures.maintenance_margin
    return list(
        map(
            PoolAnswer,
            [key.kind for key in keys],
            [key.settle for key in keys],
            [key.symbol or None for key in keys],
            [key.side or None for key in keys],
            [_LEVELS[level] for level in asked.levels],
            _pool_reasons(asked),
            figures.stale.tolist(),
            figures.wallet.tolist(),
            figures.unrealised_pnl.tolist(),
            equity.tolist(),
            figures.initial_margin.tolist(),
            maintenance.tolist(),
            figures.margin_ratio.tolist(),
            health_factor(equity, maintenance).tolist(),
            available_margin(equity, figures.initial_margin).tolist(),
            margin_deficit(equity, maintenance).tolist(),
            shortfall(equity).tolist(),
            owed(batch, asked.assessment).tolist(),
            _pool_restorations(asked),
        )
    )


def _pool_restorations(asked: _Asked) -> list[ToRestore]:
    deposits = asked.restoration.deposit.tolist()
    restorations = [ToRestore(deposit, []) for deposit in deposits]
    at = asked.batch.legs.pool
    needed = asked.restoration.deposit[at] > 0.0
    if not needed.any():
        return restorations
    positions = [position for account in asked.accounts for position in account.positions]
    contracts = asked.restoration.reduce.tolist()
    for leg in np.flatnonzero(needed).tolist():
        position = positions[leg]
        cut = Reduction(position.symbol, position.side, contracts[leg])
        restorations[at[leg]].reduce.append(cut)
    return restorations


def _pool_reasons(asked: _Asked) -> list[str | None]:
    """Return why figures of a pool are null; the first thing that is missing has the word."""
    batch, figures = asked.batch, asked.assessment.pools
    reasons: list[str | None] = [None] * len(figures.equity)
    for pool in np.flatnonzero(figures.equity <= 0.0).tolist():
        reasons[pool] = "no_equity"
    if not figures.unpriced.any():
        return reasons
    mark = np.bincount(batch.legs.pool, np.isnan(asked.assessment.legs.mark), len(reasons)) > 0.0
    for pool in np.flatnonzero(figures.unpriced).tolist():
        reasons[pool] = "no_mark" if mark[pool] else "no_collateral_price"
    return reasons


def _position_answers(asked: _Asked, table: MarketTable, now_ms: int) -> list[PositionAnswer]:
    batch, figures = asked.batch, asked.assessment.legs
    positions = [position for account in asked.accounts for position in account.positions]
    solved = prices(batch, asked.assessment)
    own = ~np.isnan(batch.legs.mark)
    return list(
        map(
            PositionAnswer,
            [position.symbol for position in positions],
            [position.side for position in positions],
            np.abs(batch.legs.contracts).tolist(),
            ["isolated" if position.isolated else "cross" for position in positions],
            *_market_columns(batch.legs.market.tolist(), own.tolist(), figures, table, now_ms),
            (batch.markets.stale[batch.legs.market] & ~own).tolist(),
            figures.notional.tolist(),
            figures.unrealised_pnl.tolist(),
            figures.initial_margin.tolist(),
            figures.maintenance_margin.tolist(),
            asked.assessment.pools.margin_ratio[batch.legs.pool].tolist(),
            figures.leverage.tolist(),
            solved.liquidation.tolist(),
            [_PRICE_REASONS[reason] for reason in solved.reason.tolist()],
            solved.below.tolist(),
            solved.above.tolist(),
            solved.bankruptcy.tolist(),
            [_PRICE_REASONS[reason] for reason in solved.bankruptcy_reason.tolist()],
            solved.distance_pct.tolist(),
        )
    )


def _market_columns(
    markets: list[int], own: list[bool], figures: Any, table: MarketTable, now_ms: int
) -> Iterator[list[Any]]:
    """Yield instrument venue, mark venue, mark source, mark and mark age, each a list over the legs."""
    known = {market: _market_facts(table, market, now_ms) for market in set(markets)}
    position = (None, "position", 0)
    rows = [
        position if mine else known[market][1:] for market, mine in zip(markets, own, strict=True)
    ]
    yield [known[market][0] for market in markets]
    yield [row[0] for row in rows]
    yield [row[1] for row in rows]
    yield figures.mark.tolist()
    yield [row[2] for row in rows]


def _market_facts(
    table: MarketTable, market: int, now_ms: int
) -> tuple[str | None, str | None, str | None, int | None]:
    instrument_venue, time_ms = table.instrument_venue(market), table.mark_time(market)
    if time_ms is None:
        return instrument_venue, None, None, None
    if time_ms == FROM_REQUEST_MS:
        return instrument_venue, table.mark_venue(market), "request", 0
    return instrument_venue, table.mark_venue(market), "stream", max(0, now_ms - time_ms)


def _overflown(asked: _Asked) -> Bools:
    """Return the accounts with a figure that has everything it needs and is no finite number."""
    batch, assessment = asked.batch, asked.assessment
    legs, rows = assessment.legs, len(assessment.pools.equity)
    lacking = np.isnan(legs.mark) | (batch.markets.table[batch.legs.market] < 0)
    lacking |= np.isnan(legs.settle_price)
    unpriced = np.bincount(batch.legs.pool, lacking, rows) > 0.0
    holdings = batch.holdings
    price = batch.asset_price[holdings.asset]
    lacking = np.isnan(price) & np.isnan(holdings.price) & batch.pools.multi[holdings.pool]
    unpriced |= np.bincount(holdings.pool, lacking, rows) > 0.0
    bad = (assessment.pools.unpriced & ~unpriced).astype(np.float64)
    return np.bincount(batch.pools.account, bad, len(asked.accounts)) > 0.0
