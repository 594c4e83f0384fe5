"""From columns to the contract's answer, as text: a figure is one column for the whole batch.

A number that is not known is NaN and written as null; the reasons stand beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.api.answer_parts import (
    LEVELS,
    SIDES,
    Evaluated,
    pool_answers,
    position_answers,
    quality_columns,
)
from service.api.figures import Supposed, figures_of, overflown
from service.api.weaving import Texts, each, figures, lists, nothing, records, words
from service.contract.alerts import Reduction, ToRestore
from service.contract.evaluation import AccountAnswer
from service.contract.health import FindingAnswer
from service.contract.likelihood import AccountLikelihood
from service.risk.batch import batch_of, pool_keys
from service.risk.columns import Batch, Bools, Floats, Ints, Statements, Words, sums_by
from service.risk.evaluate import assess
from service.risk.levels import Levels, held_back
from service.risk.markets import MarketTable
from service.risk.model import USD, PoolKey
from service.risk.restore import to_restore
from service.risk.totals import IN_USD
from service.risk.totals import REASONS as TOTALS_REASONS

_TOTALS_REASONS = [reason or None for reason in TOTALS_REASONS]
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

    `standing` are by account the levels that pools are at already: a doubtful mark raises nobody
    further than its quality allows, but it does not bring anybody down either.
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
    level = held_back(assessment.pools.level, current, assessment.pools.most)
    restoration = to_restore(batch, assessment, level)
    found = figures_of(batch, assessment, given.symbol.listed(), len(names), supposed)
    side = words(SIDES, batch.legs.contracts < 0.0)
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
    quality = np.zeros(many, np.int8)
    np.maximum.at(quality, account, asked.assessment.pools.quality)
    deposit = _account_deposits(asked, totals.settle == IN_USD)
    pools = np.bincount(account, minlength=many)
    reductions, of_pools = _reductions(asked)
    of_accounts = np.bincount(account, of_pools, many).astype(np.int64)
    to_restore = records(ToRestore, (*figures((deposit,)), lists(reductions, of_accounts)))
    return records(
        AccountAnswer,
        (
            each(asked.names),
            words(LEVELS, level),
            _currencies(totals.settle, table),
            words(_TOTALS_REASONS, totals.reason),
            *quality_columns(quality),
            *figures(asked.figures.of_accounts),
            to_restore,
            lists(pool_answers(asked, table, lists(reductions, of_pools)), pools),
            lists(position_answers(asked, table, now_ms), asked.given.positions),
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
