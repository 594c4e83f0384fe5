"""From columns to the contract's answer, as text: a figure is one column for the whole batch.

A number that is not known is NaN and written as null; the reasons stand beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

import numpy as np

from service.api.figures import Figures, Supposed, figures_of, overflown
from service.api.weaving import Texts, each, figures, lists, nothing, records, words
from service.contract.alerts import LevelName, Reduction, ToRestore
from service.contract.evaluation import AccountAnswer, AfterGap, PoolAnswer, PositionAnswer
from service.contract.health import FindingAnswer
from service.contract.likelihood import AccountLikelihood
from service.risk.aftermath import REASONS as AFTERMATH_REASONS
from service.risk.batch import batch_of, pool_keys
from service.risk.columns import Batch, Bools, Floats, Ints, Statements, Words, sums_by
from service.risk.evaluate import assess
from service.risk.gaps import REASONS as GAP_REASONS
from service.risk.gaps import Gaps
from service.risk.levels import Levels, cap_stale
from service.risk.liquidation import REASONS as PRICE_REASONS
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.model import USD, PoolKey
from service.risk.restore import Restoration, to_restore
from service.risk.totals import IN_USD
from service.risk.totals import REASONS as TOTALS_REASONS

FROM_REQUEST_MS = -1  # the event time of marks that came in the body of the call
_LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
_KINDS, _SIDES, _FLAGS = ("cross", "isolated"), ("long", "short"), (False, True)
_PRICE_REASONS = [reason or None for reason in PRICE_REASONS]
_TOTALS_REASONS = [reason or None for reason in TOTALS_REASONS]
_GAP_REASONS = [reason or None for reason in GAP_REASONS]
_AFTERMATH_REASONS = [reason or None for reason in AFTERMATH_REASONS]
_POOL_REASONS = (None, "no_equity", "no_collateral_price", "no_mark", "no_instrument")
_NOTHING_SUPPOSED = Supposed()


@dataclass(slots=True)
class Answers:
    """The accounts' answers in order, those left out because a figure overflows among them."""

    texts: Texts
    left_out: list[int]

    def joined(self) -> bytes | memoryview:
        """Return the answers that are given, with commas between them."""
        if not self.left_out:
            return self.texts.inside()
        out = set(self.left_out)
        return b",".join(self.texts.text(row) for row in range(len(self.texts)) if row not in out)


@dataclass(slots=True)
class Evaluated:
    """What is evaluated, as columns, and the figures."""

    names: Sequence[str]
    given: Statements
    batch: Batch
    assessment: Assessment
    figures: Figures
    restoration: Restoration
    level: Levels  # of pools, without what only a stale mark says
    side: Texts  # of legs
    symbol: Texts  # of legs


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is said of accounts beside the figures, one of each an account; None: not asked for."""

    findings: Sequence[list[FindingAnswer]] | None = None
    likelihood: Sequence[AccountLikelihood] | None = None


class Examination(Protocol):
    """Who knows what a call has asked for beside the figures."""

    def remarks(self, of: Evaluated, table: MarketTable, now_ms: int, /) -> Remarks: ...


def answer_accounts(
    names: Sequence[str],
    given: Statements,
    table: MarketTable,
    now_ms: int,
    *,
    standing: Sequence[Mapping[PoolKey, int]] | None = None,
    supposed: Supposed = _NOTHING_SUPPOSED,
    examination: Examination | None = None,
) -> Answers:
    """Return the answers of accounts, by the ids they are answered under.

    `standing` are by account the levels that pools are at already: a stale mark raises nobody to
    LIQUIDATION or BANKRUPT, but it does not bring anybody down either.
    """
    with np.errstate(all="ignore"):  # what overflows is found and left out
        asked = _evaluated(names, given, table, standing=standing, supposed=supposed)
        remarks = Remarks() if examination is None else examination.remarks(asked, table, now_ms)
        bad = overflown(asked.batch, asked.assessment, asked.figures)
        texts = _account_answers(asked, table, now_ms, remarks)
        return Answers(texts, np.flatnonzero(bad).tolist())


def _evaluated(
    names: Sequence[str],
    given: Statements,
    table: MarketTable,
    *,
    standing: Sequence[Mapping[PoolKey, int]] | None,
    supposed: Supposed,
) -> Evaluated:
    batch = batch_of(given, table)
    assessment = assess(batch)
    current = _standing(batch, table, standing)
    level = cap_stale(assessment.pools.level, current, assessment.pools.stale)
    restoration = to_restore(batch, assessment, level)
    found = figures_of(batch, assessment, given.symbol.listed(), len(names), supposed)
    side = words(_SIDES, batch.legs.contracts < 0.0)
    symbol = words(given.symbol.words, given.symbol.code)
    return Evaluated(names, given, batch, assessment, found, restoration, level, side, symbol)


def _standing(
    batch: Batch, table: MarketTable, standing: Sequence[Mapping[PoolKey, int]] | None
) -> Levels:
    pools = len(batch.pools.rule)
    if standing is None:
        return np.zeros(pools, np.int8)
    accounts = batch.pools.account.tolist()
    held = zip(accounts, pool_keys(batch, table), strict=True)
    return np.array([standing[account].get(key, 0) for account, key in held], np.int8)


def _account_answers(asked: Evaluated, table: MarketTable, now_ms: int, remarks: Remarks) -> Texts:
    batch, totals = asked.batch, asked.figures.totals
    account, many = batch.pools.account, len(asked.names)
    level = np.zeros(many, np.int8)
    np.maximum.at(level, account, asked.level)
    stale = np.bincount(account, asked.assessment.pools.stale, many) > 0.0
    deposit = _account_deposits(asked, totals.settle == IN_USD)
    pools = np.bincount(account, minlength=many)
    reductions, of_pools = _reductions(asked)
    of_accounts = np.bincount(account, of_pools, many).astype(np.int64)
    to_restore = records(ToRestore, (*figures((deposit,)), lists(reductions, of_accounts)))
    return records(
        AccountAnswer,
        (
            each(asked.names),
            words(_LEVELS, level),
            _currencies(totals.settle, table),
            words(_TOTALS_REASONS, totals.reason),
            words(_FLAGS, stale),
            *figures(asked.figures.of_accounts),
            to_restore,
            lists(_pool_answers(asked, table, lists(reductions, of_pools)), pools),
            lists(_position_answers(asked, table, now_ms), asked.given.positions),
            nothing(many) if remarks.findings is None else each(remarks.findings),
            nothing(many) if remarks.likelihood is None else each(remarks.likelihood),
        ),
    )


def _currencies(settle: Ints, table: MarketTable) -> Texts:
    names = Words.of(settle.tolist())
    assets = [USD if asset == IN_USD else table.asset_name(asset) for asset in names.words]
    return words(assets, names.code)


def _account_deposits(asked: Evaluated, in_usd: Bools) -> Floats:
    """Return the deposits of each account's pools in the currency of its totals."""
    batch, account = asked.batch, asked.batch.pools.account
    factor = np.where(in_usd[account], batch.asset_price[batch.pools.settle], 1.0)
    deposit = asked.restoration.deposit
    worth = np.where(deposit == 0.0, 0.0, deposit * factor)
    return sums_by(account, worth, len(asked.names))


def _reductions(asked: Evaluated) -> tuple[Texts, Ints]:
    """Return the reductions of all pools, pool by pool, and how many each has."""
    pool, pools = asked.batch.legs.pool, len(asked.batch.pools.rule)
    needed = np.flatnonzero(asked.restoration.deposit[pool] > 0.0)
    rows = needed[np.argsort(pool[needed], kind="stable")]
    (contracts,) = figures((asked.restoration.reduce[rows],))
    columns = (asked.symbol.taken(rows), asked.side.taken(rows), contracts)
    return records(Reduction, columns), np.bincount(pool[rows], minlength=pools)


def _pool_answers(asked: Evaluated, table: MarketTable, reductions: Texts) -> Texts:
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
            words(_LEVELS, asked.level),
            words(_POOL_REASONS, _pool_reasons(asked)),
            words(_FLAGS, asked.assessment.pools.stale),
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
    side = np.full(len(isolated), len(_SIDES))
    side[isolated] = legs.contracts[leg[isolated]] < 0.0
    return words((*names.words, None), symbol), words((*_SIDES, None), side)


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
            words(_LEVELS, found.level),
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


def _position_answers(asked: Evaluated, table: MarketTable, now_ms: int) -> Texts:
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
            words(_KINDS[:2], asked.given.isolated),
            listed,
            venue,
            source,
            mark,
            age,
            words(_FLAGS, batch.markets.stale[legs.market] & ~own),
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
