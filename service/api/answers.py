"""From columns to the contract's answer: a figure becomes one list for the batch, cut by account.

A NaN in a list is written as null, so a figure that is not known needs no test of its own; the
reasons stand beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

import numpy as np

from service.api.figures import Columns, Figures, Supposed, figures_of, overflown
from service.contract.alerts import LevelName, Reduction, ToRestore
from service.contract.evaluation import AccountAnswer, AfterGap, PoolAnswer, PositionAnswer
from service.risk.aftermath import REASONS as AFTERMATH_REASONS
from service.risk.batch import build_batch
from service.risk.columns import Batch, Bools, Floats, sums_by
from service.risk.evaluate import assess
from service.risk.gaps import REASONS as GAP_REASONS
from service.risk.gaps import Gaps
from service.risk.levels import cap_stale
from service.risk.liquidation import REASONS as PRICE_REASONS
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import USD, Account, PoolKey
from service.risk.restore import Restoration, to_restore
from service.risk.totals import IN_USD
from service.risk.totals import REASONS as TOTALS_REASONS

FROM_REQUEST_MS = -1  # the event time of marks that came in the body of the call
_LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
_PRICE_REASONS = [reason or None for reason in PRICE_REASONS]
_TOTALS_REASONS = [reason or None for reason in TOTALS_REASONS]
_GAP_REASONS = np.array([reason or None for reason in GAP_REASONS], dtype=object)
_AFTERMATH_REASONS = [reason or None for reason in AFTERMATH_REASONS]
_NOTHING_SUPPOSED = Supposed()


@dataclass(slots=True)
class Evaluated:
    """What is evaluated: accounts, their pools by name, all as columns, and the figures."""

    accounts: Sequence[Account]
    pool_keys: list[list[PoolKey]]
    batch: Batch
    assessment: Assessment
    figures: Figures
    restoration: Restoration
    levels: list[int]  # of pools, without what only a stale mark says


class Examination(Protocol):
    """Who adds to the answers what a call has asked for beside the figures."""

    def fill(
        self,
        of: Evaluated,
        table: MarketTable,
        now_ms: int,
        answers: Sequence[AccountAnswer],
        /,
    ) -> None: ...


def answer_accounts(
    accounts: Sequence[Account],
    table: MarketTable,
    now_ms: int,
    standing: Sequence[Mapping[PoolKey, int]] | None = None,
    *,
    supposed: Supposed = _NOTHING_SUPPOSED,
    examination: Examination | None = None,
) -> tuple[list[AccountAnswer], list[int]]:
    """Return the answers in order, and the indices of accounts left out because a figure overflows.

    `standing` are by account the levels that pools are at already: a stale mark raises nobody to
    LIQUIDATION or BANKRUPT, but it does not bring anybody down either.
    """
    if not accounts:
        return [], []
    with np.errstate(all="ignore"):  # what overflows is found and left out
        asked = _evaluated(accounts, table, standing or [{}] * len(accounts), supposed)
        answers = list(_account_answers(asked, table, now_ms))
        if examination is not None:
            examination.fill(asked, table, now_ms, answers)
        bad = overflown(asked.batch, asked.assessment, asked.figures)
    if not bad.any():
        return answers, []
    kept = [answers[index] for index in np.flatnonzero(~bad).tolist()]
    return kept, np.flatnonzero(bad).tolist()


def _evaluated(
    accounts: Sequence[Account],
    table: MarketTable,
    standing: Sequence[Mapping[PoolKey, int]],
    supposed: Supposed,
) -> Evaluated:
    batch, pool_keys = build_batch(accounts, table)
    assessment = assess(batch)
    held = [
        levels.get(key, 0) for levels, keys in zip(standing, pool_keys, strict=True) for key in keys
    ]
    current = np.array(held, dtype=np.int8)
    level = cap_stale(assessment.pools.level, current, assessment.pools.stale)
    restoration = to_restore(batch, assessment, level)
    symbols = [position.symbol for account in accounts for position in account.positions]
    figures = figures_of(batch, assessment, symbols, len(accounts), supposed)
    return Evaluated(accounts, pool_keys, batch, assessment, figures, restoration, level.tolist())


def _lists(columns: Columns) -> list[list[float]]:
    return [column.tolist() for column in columns]


def _account_answers(asked: Evaluated, table: MarketTable, now_ms: int) -> Iterator[AccountAnswer]:
    pools, positions = _pool_answers(asked), _position_answers(asked, table, now_ms)
    totals = asked.figures.totals
    currencies = [
        USD if asset == IN_USD else table.asset_name(asset) for asset in totals.settle.tolist()
    ]
    figures = zip(*_lists(asked.figures.of_accounts), strict=True)
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
            None,
            None,
        )
        pool, leg = pools_end, legs_end


def _account_deposits(asked: Evaluated, in_usd: Bools) -> Floats:
    """Return the deposits of each account's pools in the currency of its totals."""
    batch, account = asked.batch, asked.batch.pools.account
    factor = np.where(in_usd[account], batch.asset_price[batch.pools.settle], 1.0)
    deposit = asked.restoration.deposit
    worth = np.where(deposit == 0.0, 0.0, deposit * factor)
    return sums_by(account, worth, len(asked.accounts))


def _pool_answers(asked: Evaluated) -> list[PoolAnswer]:
    keys = [key for keys in asked.pool_keys for key in keys]
    return list(
        map(
            PoolAnswer,
            [key.kind for key in keys],
            [key.settle for key in keys],
            [key.symbol or None for key in keys],
            [key.side or None for key in keys],
            [_LEVELS[level] for level in asked.levels],
            _pool_reasons(asked),
            asked.assessment.pools.stale.tolist(),
            *_lists(asked.figures.of_pools),
            asked.figures.max_loss.money.tolist(),
            _GAP_REASONS[asked.figures.max_loss.reason].tolist(),
            *_gap_columns(asked.figures.pool_gaps),
            _aftermaths(asked),
            _pool_restorations(asked),
        )
    )


def _gap_columns(gaps: Gaps) -> Iterator[list[Any]]:
    """Yield the gap to liquidation, its reason, the gap to a debt, its reason, each a list."""
    yield gaps.liquidation_pct.tolist()
    yield _GAP_REASONS[gaps.liquidation_reason].tolist()
    yield gaps.owe_pct.tolist()
    yield _GAP_REASONS[gaps.owe_reason].tolist()


def _aftermaths(asked: Evaluated) -> list[AfterGap] | list[None]:
    found = asked.figures.aftermath
    if found is None:
        return [None] * len(asked.levels)
    payers = (found.fund, found.deleveraged, found.socialised, found.owed, found.venue)
    return list(
        map(
            AfterGap,
            [_LEVELS[level] for level in found.level.tolist()],
            [_AFTERMATH_REASONS[reason] for reason in found.reason.tolist()],
            *_lists((found.equity, found.shortfall, *payers)),
        )
    )


def _pool_restorations(asked: Evaluated) -> list[ToRestore]:
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


def _pool_reasons(asked: Evaluated) -> list[str | None]:
    """Return why figures of a pool are null; the first thing that is missing has the word."""
    batch, figures = asked.batch, asked.assessment.pools
    reasons: list[str | None] = [None] * len(figures.equity)
    for pool in np.flatnonzero(figures.equity <= 0.0).tolist():
        reasons[pool] = "no_equity"
    if not figures.unpriced.any():
        return reasons
    for pool in np.flatnonzero(figures.unpriced).tolist():
        reasons[pool] = "no_collateral_price"
    for lacking, reason in (
        (np.isnan(asked.assessment.legs.mark), "no_mark"),
        (batch.markets.table[batch.legs.market] < 0, "no_instrument"),
    ):
        for pool in batch.legs.pool[lacking].tolist():
            reasons[pool] = reason
    return reasons


def _position_answers(asked: Evaluated, table: MarketTable, now_ms: int) -> list[PositionAnswer]:
    batch, figures = asked.batch, asked.assessment.legs
    positions = [position for account in asked.accounts for position in account.positions]
    solved = asked.figures.solved
    below, above, bankruptcy, distance = _lists(asked.figures.of_prices)
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
            *_lists(asked.figures.of_legs),
            [_PRICE_REASONS[reason] for reason in solved.reason.tolist()],
            below,
            above,
            bankruptcy,
            [_PRICE_REASONS[reason] for reason in solved.bankruptcy_reason.tolist()],
            distance,
            *_gap_columns(asked.figures.leg_gaps),
        )
    )


def _market_columns(
    markets: list[int], own: list[bool], figures: Any, table: MarketTable, now_ms: int
) -> Iterator[list[Any]]:
    """Yield instrument venue, mark venue, source, mark and mark age, each a list by leg."""
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
