"""What an evaluation says beside its figures when asked: findings of its health, and likelihoods.

Both go by the columns that were evaluated, and by what the worker knows of the markets: how they
move, what their funding is, how old their marks are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

import numpy as np

from service.api.answer_parts import FROM_REQUEST_MS, Evaluated
from service.api.answers import Remarks
from service.api.follower import MarketFollower
from service.api.likelihoods import likelihoods_of
from service.api.market_columns import condition_of
from service.api.moves import MarketMoves
from service.contract.alerts import PoolName, pool_name
from service.contract.decoding import check_count
from service.contract.evaluate_request import EvaluateRequest
from service.contract.health import (
    ChangeAnswer,
    FindingAnswer,
    FindingCode,
    HealthLimitsDocument,
    to_limits,
)
from service.contract.likelihood import (
    LikelihoodQuestion,
    VolatilityDocument,
    volatility_faults,
)
from service.contract.marks import decode_mark
from service.errors import InvalidInput
from service.risk.batch import distinct, pool_keys
from service.risk.columns import Floats, Ints
from service.risk.evaluate import assess, prices, select
from service.risk.health.check import check_health
from service.risk.health.findings import Finding, HealthInputs, MarketColumns
from service.risk.markets import MarketTable
from service.risk.model import GENERIC_VENUE, Account, HealthLimits, Position
from service.risk.venues import RULES
from service.risk.volatility import Volatility
from service.store.market_stream import NewestMark

CHECKED_POSITIONS_MAX = 10_000  # of one call: some 50 us each
LIMITS_MAX = 100  # that accounts of one call bring with them: each is a pass over its accounts

_Name: TypeAlias = tuple[str, str]  # venue, symbol


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call wants to know; `limits` None: no findings, `likelihood` None: no probabilities.

    `volatility` by symbol goes before what the streamed marks say.
    """

    limits: HealthLimits | None = None
    likelihood: LikelihoodQuestion | None = None
    volatility: Mapping[str, VolatilityDocument] = field(default_factory=dict)


def question_of(request: EvaluateRequest) -> Asked:
    """Return what an evaluate call wants to know; raises InvalidInput."""
    limits = request.health_limits
    if limits is None and request.findings:
        limits = HealthLimitsDocument()
    volatility = request.volatility or {}
    if faults := volatility_faults(volatility):
        raise InvalidInput.of(*faults)
    return Asked(None if limits is None else to_limits(limits), request.likelihood, volatility)


class Examiner:
    """Answers them by what one worker knows."""

    def __init__(self, follower: MarketFollower, moves: MarketMoves) -> None:
        self._follower, self._moves = follower, moves

    def of(self, asked: Asked, records: Callable[[], Sequence[Account]]) -> "Examination | None":
        """Return who answers it of these accounts; None where nothing is asked.

        Raises TooManyItems.
        """
        if asked.limits is None and asked.likelihood is None:
            return None
        accounts = records()
        positions = sum(len(account.positions) for account in accounts)
        check_count(positions, CHECKED_POSITIONS_MAX, "positions to be checked")
        own = {account.health for account in accounts if account.health is not None}
        check_count(len(own), LIMITS_MAX, "different healthLimits")
        return Examination(asked, accounts, self._moves, self._follower.newest)


class Examination:
    """One call's; see `answers.Examination`."""

    def __init__(
        self,
        asked: Asked,
        accounts: Sequence[Account],
        moves: MarketMoves,
        newest: Mapping[_Name, NewestMark],
    ) -> None:
        self._asked, self._moves, self._newest = asked, moves, newest
        self._accounts = accounts
        self._positions = [position for account in accounts for position in account.positions]

    def remarks(self, of: Evaluated, table: MarketTable, now_ms: int) -> Remarks:
        """Return findings and likelihoods, as far as they are asked for."""
        names = [table.market_key(market) for market in of.batch.legs.market.tolist()]
        moves = self._moves.look(names, now_ms, self._asked.volatility)
        pools = [pool_name(key) for key in pool_keys(of.batch, table)]
        findings = likelihood = None
        if self._asked.limits is not None:
            ages = _mark_ages(of, table, now_ms)
            condition = condition_of(self._moves, names, now_ms)
            inputs = self._inputs(names, ages, moves.volatility, condition)
            findings = self._findings(of, inputs, self._asked.limits, pools)
        if self._asked.likelihood is not None:
            likelihood = likelihoods_of(of, pools, moves, self._asked.likelihood)
        return Remarks(findings, likelihood)

    def _inputs(
        self,
        names: Sequence[_Name],
        ages: Floats,
        volatility: Volatility,
        condition: MarketColumns,
    ) -> HealthInputs:
        positions = self._positions
        funding = {name: self._funding_per_h(name) for name in set(names)}
        return HealthInputs(
            stop_price=_column(position.stop_loss for position in positions),
            budget=_column(position.loss_budget for position in positions),
            funding_per_h=_column(funding[name] for name in names),
            mark_age_ms=ages,
            volatility=volatility,
            condition=condition,
        )

    def _findings(
        self,
        of: Evaluated,
        inputs: HealthInputs,
        limits: HealthLimits,
        pools: Sequence[PoolName],
    ) -> list[list[FindingAnswer]]:
        """Check accounts that share their limits together; an account's own go first."""
        by_limits: dict[HealthLimits, list[int]] = defaultdict(list)
        for index, account in enumerate(self._accounts):
            by_limits[account.health or limits].append(index)
        found: list[list[FindingAnswer]] = [[] for _ in self._accounts]
        for shared, accounts in by_limits.items():
            for finding in _findings(of, inputs, shared, np.array(accounts, np.int64)):
                position = None if finding.leg is None else self._positions[finding.leg]
                answer = _finding_answer(finding, pools[finding.pool], position)
                found[finding.account].append(answer)
        return found

    def _funding_per_h(self, name: _Name) -> float | None:
        """Return the streamed rate by the hour, the venue's own mark's or else generic's."""
        venue, symbol = name
        newest = self._newest.get(name) or self._newest.get((GENERIC_VENUE, symbol))
        mark = None if newest is None else decode_mark(newest.payload)
        if mark is None or mark.funding_rate is None:
            return None
        return mark.funding_rate / (mark.funding_interval_h or RULES[venue].funding_hours)


def _column(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _mark_ages(of: Evaluated, table: MarketTable, now_ms: int) -> Floats:
    """Return how old each leg's streamed mark is; NaN for what came with the call."""
    markets = distinct(of.batch.legs.market)
    origins = table.origins(markets.words)
    times = (each.mark_time_ms for each in origins.words)
    ages = _column(
        None if time_ms in (None, FROM_REQUEST_MS) else max(0.0, float(now_ms - time_ms))
        for time_ms in times
    )
    return ages[origins.code[markets.code]]


def _findings(
    of: Evaluated, inputs: HealthInputs, limits: HealthLimits, accounts: Ints
) -> Iterator[Finding]:
    """Yield what is found of some accounts; rows are those of the whole batch."""
    batch = of.batch
    if len(accounts) == of.accounts:
        yield from check_health(batch, of.assessment, of.figures.solved, limits, inputs)
        return
    pools = np.flatnonzero(np.isin(batch.pools.account, accounts))
    legs = np.flatnonzero(np.isin(batch.legs.pool, pools))
    part = select(batch, pools)
    assessment = assess(part)
    some = HealthInputs(
        inputs.stop_price[legs],
        inputs.budget[legs],
        inputs.funding_per_h[legs],
        inputs.mark_age_ms[legs],
        inputs.volatility.rows(legs),
        inputs.condition.rows(legs),
    )
    for found in check_health(part, assessment, prices(part, assessment), limits, some):
        leg = None if found.leg is None else int(legs[found.leg])
        yield replace(found, pool=int(pools[found.pool]), leg=leg)


def _finding_answer(finding: Finding, pool: PoolName, position: Position | None) -> FindingAnswer:
    return FindingAnswer(
        code=cast("FindingCode", finding.code),
        severity=finding.severity,
        pool=pool,
        symbol=None if position is None else position.symbol,
        side=None if position is None else position.side,
        measured=finding.measured,
        limit=finding.limit,
        unit=finding.unit,
        changes=[ChangeAnswer(change.action, change.amount) for change in finding.changes],
        figures=dict(finding.figures),
    )
