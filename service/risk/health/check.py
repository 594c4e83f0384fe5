"""The health check: an evaluated batch in, findings out; everything that is over a limit."""

from itertools import chain

import numpy as np

from service.risk.columns import Batch
from service.risk.health.buffers import buffer_rules
from service.risk.health.findings import (
    SEVERITY,
    Examined,
    Finding,
    HealthInputs,
    MarketColumns,
    Severity,
)
from service.risk.health.isolation import isolation_rule
from service.risk.health.marks import mark_rules, market_rules
from service.risk.health.sizes import size_rules
from service.risk.health.stops import stop_rules
from service.risk.liquidation import LegPrices
from service.risk.margin import Assessment
from service.risk.model import HealthLimits
from service.risk.totals import account_totals, worth_of
from service.risk.volatility import NO_MARK, Volatility

_ORDER: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}
_CODES = {code: place for place, code in enumerate(SEVERITY)}


def no_inputs(batch: Batch) -> HealthInputs:
    """Return columns in which nothing is given: no stops, no budgets, no funding, no volatility."""
    rows = len(batch.legs.pool)
    stop, budget, funding, age, moves, annual, apart = (np.full(rows, np.nan) for _ in range(7))
    unknown = Volatility(moves, moves, moves, np.full(rows, NO_MARK, np.int8))
    return HealthInputs(stop, budget, funding, age, unknown, MarketColumns(annual, apart))


def check_health(
    batch: Batch,
    assessment: Assessment,
    prices: LegPrices,
    limits: HealthLimits,
    inputs: HealthInputs,
) -> list[Finding]:
    """Return all findings: by account, the worst first, then by code and row.

    What a rule needs and does not have is no finding of that rule; that it is missing is one.
    """
    accounts = int(batch.pools.account.max(initial=-1)) + 1
    totals = account_totals(batch, assessment, accounts)
    examined = Examined(
        batch=batch,
        assessment=assessment,
        prices=prices,
        limits=limits,
        inputs=inputs,
        in_account=worth_of(batch, totals),
        equity=totals.equity,
    )
    with np.errstate(all="ignore"):  # what has no measure is NaN or inf, and over no limit
        rules = chain(
            size_rules(examined),
            stop_rules(examined),
            [isolation_rule(examined)],
            buffer_rules(examined),
            market_rules(examined),
            mark_rules(examined),
        )
        return sorted((one for rule in rules for one in rule.findings(batch)), key=_place)


def _place(finding: Finding) -> tuple[int, int, int, int, int]:
    leg = -1 if finding.leg is None else finding.leg
    severity = _ORDER[finding.severity]
    return finding.account, severity, _CODES[finding.code], finding.pool, leg
