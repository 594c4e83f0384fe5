"""From columns to the contract's answer, as text: a figure is one column for the whole batch.

A number that is not known is NaN and written as null; the reasons stand beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.api.answer_parts import (
    LEVEL_WORDS,
    SIDE_WORDS,
    Evaluated,
    pool_answers,
    position_answers,
    quality_columns,
)
from service.api.figures import Supposed, figures_of
from service.api.weaving import (
    Coded,
    Lists,
    Records,
    Woven,
    each,
    figures,
    nothing,
    only,
    records,
    vocabulary,
    weave,
    words,
)
from service.contract.alerts import Reduction, ToRestore
from service.contract.chosen import EVERYTHING, Chosen
from service.contract.evaluation import AccountAnswer
from service.contract.health import FindingAnswer
from service.contract.likelihood import AccountLikelihood
from service.risk.batch import batch_of, distinct, pool_keys
from service.risk.columns import Batch, Ints, Statements
from service.risk.evaluate import assess
from service.risk.levels import Levels, held_back
from service.risk.markets import MarketTable
from service.risk.model import USD, PoolKey
from service.risk.totals import IN_USD
from service.risk.totals import REASONS as TOTALS_REASONS
from service.risk.worded import Known, worded

_TOTALS_REASONS = vocabulary([reason or None for reason in TOTALS_REASONS])
_NOTHING_SUPPOSED = Supposed()


@dataclass(slots=True)
class Answers:
    """The accounts' answers in order, those left out because a figure overflows among them."""

    texts: Woven
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
    ids: Coded,
    given: Statements,
    table: MarketTable,
    now_ms: int,
    *,
    standing: Sequence[Mapping[PoolKey, int]] | None = None,
    supposed: Supposed = _NOTHING_SUPPOSED,
    examination: Examination | None = None,
) -> Answers:
    """Return the answers of accounts, by the `ids` they are answered under.

    `standing` are by account the levels that pools are at already: a doubtful mark raises nobody
    further than its quality allows, but it does not bring anybody down either.
    """
    told = Told(ids, given, batch_of(given, table))
    levels = _standing(told.batch, table, standing)
    return answer_batch(told, table, now_ms, Asking(levels, supposed, examination))


@dataclass(frozen=True, slots=True)
class Told:
    """Accounts as columns, under the ids they are answered by."""

    ids: Coded
    given: Statements
    batch: Batch


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of accounts, and the levels that their pools are at already."""

    standing: Levels
    supposed: Supposed = _NOTHING_SUPPOSED
    examination: Examination | None = None
    chosen: Chosen = EVERYTHING  # of the fields of an account


def answer_batch(told: Told, table: MarketTable, now_ms: int, asking: Asking) -> Answers:
    """Return the answers of accounts whose markets have their numbers; `table` must not change."""
    accounts, left_out = answer_columns(told, table, now_ms, asking)
    return Answers(weave(accounts), left_out)


def answer_columns(
    told: Told, table: MarketTable, now_ms: int, asking: Asking
) -> tuple[Records, list[int]]:
    """Return the answers as they are before they are written, and which are to be left out."""
    with np.errstate(all="ignore"):  # what overflows is found and left out
        asked = _evaluated(told, asking)
        more = asking.examination
        remarks = Remarks() if more is None else more.remarks(asked, table, now_ms)
        accounts = _account_answers(asked, table, now_ms, remarks)
        return only(accounts, asking.chosen), asked.figures.overflown.nonzero()[0].tolist()


def _evaluated(told: Told, asking: Asking) -> Evaluated:
    batch, given, many = told.batch, told.given, len(told.given.venue)
    assessment = assess(batch)
    level = held_back(assessment.pools.level, asking.standing, assessment.pools.most)
    supposed, chosen = asking.supposed, asking.chosen
    symbols = given.symbol.listed() if supposed.betas else ()
    found = figures_of(
        batch, assessment, symbols, many, level=level, supposed=supposed, chosen=chosen
    )
    restoring, currency = found.searches.restoration, found.totals.settle
    known = Known(level, found.restoration.deposit, currency, restoring)
    said, needed = worded(batch, assessment, known)
    side, symbol = Coded(SIDE_WORDS, said.short), words(given.symbol.words, given.symbol.code)
    return Evaluated(
        told.ids, many, given, batch, assessment, found, level, said, needed, side, symbol, chosen
    )


def no_standing(batch: Batch) -> Levels:
    """Return the levels of pools that nobody watches."""
    return np.zeros(len(batch.pools.rule), np.int8)


def _standing(
    batch: Batch, table: MarketTable, standing: Sequence[Mapping[PoolKey, int]] | None
) -> Levels:
    if standing is None:
        return no_standing(batch)
    accounts = batch.pools.account.tolist()
    held = zip(accounts, pool_keys(batch, table), strict=True)
    return np.array([standing[account].get(key, 0) for account, key in held], np.int8)


def _account_answers(
    asked: Evaluated, table: MarketTable, now_ms: int, remarks: Remarks
) -> Records:
    totals, said, chosen = asked.figures.totals, asked.said, asked.chosen
    many = asked.accounts
    to_restore, reductions = _to_restore(asked)
    pools = positions = None
    if chosen.has("pools"):
        pools = Lists(pool_answers(asked, table, reductions), said.pools)
    if chosen.has("positions"):
        positions = Lists(position_answers(asked, table, now_ms), asked.given.positions)
    return records(
        AccountAnswer,
        (
            asked.ids,
            Coded(LEVEL_WORDS, said.level),
            _currencies(totals.settle, table),
            Coded(_TOTALS_REASONS, totals.reason),
            *quality_columns(said.quality),
            *figures(asked.figures.of_accounts),
            to_restore,
            pools,
            positions,
            nothing(many) if remarks.findings is None else each(remarks.findings),
            nothing(many) if remarks.likelihood is None else each(remarks.likelihood),
        ),
        many,
    )


def _currencies(settle: Ints, table: MarketTable) -> Coded:
    names = distinct(settle, least=IN_USD)
    assets = [USD if asset == IN_USD else table.asset_name(asset) for asset in names.words]
    return words(assets, names.code)


def _to_restore(asked: Evaluated) -> tuple[Records | None, Lists | None]:
    """Return what restores each account, and the reductions of each pool, where either is asked."""
    if not asked.figures.searches.restoration:
        return None, None
    needed, rows = asked.needed, asked.needed.rows
    deposit, contracts = figures((needed.deposit, asked.figures.restoration.reduce[rows]))
    columns = (asked.symbol.taken(rows), asked.side.taken(rows), contracts)
    reductions = records(Reduction, columns, len(rows))
    of_accounts = (deposit, Lists(reductions, needed.reductions))
    of_all = records(ToRestore, of_accounts, len(needed.deposit))
    return of_all, Lists(reductions, needed.of_pools)
