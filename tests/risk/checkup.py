"""An account before a health check: what is known of it, and what doing as a finding says makes it.

A change is carried out as a trader would: closed at the mark, what it realises stays in the pool.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from service.risk import volatility
from service.risk.health.check import check_health, no_inputs
from service.risk.health.findings import Change, Finding, HealthInputs, MarketColumns
from service.risk.model import Account, Balance, HealthLimits, Instrument, Position
from service.risk.quality import STALE
from service.risk.volatility import Volatility
from tests.risk.building import BTC, BTC_COIN, ETH, Outcome, contract, outcome, table_with

CONTRACTS = (contract(BTC), contract(ETH), contract(BTC_COIN))
MARKS = {BTC: 100.0, ETH: 10.0, BTC_COIN: 100.0}
FAR = 1e12
# Every limit out of reach: a test sets the one it is about.
LENIENT = HealthLimits(
    leverage_max=FAR,
    position_share_max=FAR,
    concentration_max=1.0,
    stop_expected=False,
    budget_share=FAR,
    bound_factor_max=FAR,
    buffer_deviations_min=0.0,
    funding_hours_min=0.0,
    mark_age_max_ms=FAR,
)


@dataclass(frozen=True)
class Patient:
    """One account and all that is known; by position where a tuple, by symbol where a mapping."""

    account: Account
    limits: HealthLimits = LENIENT
    marks: Mapping[str, float] = field(default_factory=lambda: MARKS)
    instruments: tuple[Instrument, ...] = CONTRACTS
    stops: Mapping[int, float] = field(default_factory=dict)
    budgets: Mapping[int, float] = field(default_factory=dict)
    funding_per_h: Mapping[str, float] = field(default_factory=dict)
    mark_age_ms: Mapping[str, float] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    per_sqrt_s: float | None = None
    condition: MarketColumns | None = None

    def outcome(self) -> Outcome:
        table = table_with(*self.instruments, pegged=("USDT",), marks=self.marks)
        for symbol in self.stale:
            table.judge_marks("generic", symbol, STALE)
        return outcome(table, self.account)

    def findings(self) -> list[Finding]:
        found = self.outcome()
        inputs = self._inputs(found)
        return check_health(found.batch, found.assessment, found.prices, self.limits, inputs)

    def named(self, code: str) -> list[Finding]:
        return [finding for finding in self.findings() if finding.code == code]

    def only(self, code: str) -> Finding:
        (finding,) = self.named(code)
        return finding

    def _inputs(self, found: Outcome) -> HealthInputs:
        inputs = no_inputs(found.batch)
        for row, position in enumerate(self.account.positions):
            inputs.stop_price[row] = self.stops.get(row, np.nan)
            inputs.budget[row] = self.budgets.get(row, np.nan)
            inputs.funding_per_h[row] = self.funding_per_h.get(position.symbol, np.nan)
            inputs.mark_age_ms[row] = self.mark_age_ms.get(position.symbol, np.nan)
        if self.condition is not None:
            inputs.condition = self.condition
        if self.per_sqrt_s is not None:
            rows = len(self.account.positions)
            moves, none = np.full(rows, self.per_sqrt_s), np.zeros(rows)
            known = np.full(rows, volatility.KNOWN, np.int8)
            inputs.volatility = Volatility(moves, none, none, known)
        return inputs


def name_of(patient: Patient, finding: Finding) -> tuple[str, object, object]:
    """What a finding is about, whatever rows there are after a change."""
    if finding.leg is None:
        return finding.code, patient.outcome().keys[finding.pool], None
    position = patient.account.positions[finding.leg]
    return finding.code, position.symbol, (position.side, position.isolated)


def after(patient: Patient, finding: Finding, change: Change) -> Patient:
    """Carry a change out."""
    leg, amount = finding.leg, change.amount
    if change.action == "deposit":
        return _deposited(patient, finding.pool, amount)
    if change.action == "set_stop" and leg is not None:
        return replace(patient, stops={**patient.stops, leg: amount})
    if change.action == "isolate" and leg is not None:
        return _isolated(patient, leg, amount)
    if change.action == "reduce" and leg is not None:
        part = amount / abs(patient.account.positions[leg].contracts)
        return _reduced(patient, {leg: part})
    rows = patient.outcome().batch.legs
    if change.action == "reduce_pool":
        legs = np.flatnonzero(rows.pool == finding.pool).tolist()
        return _reduced(patient, dict.fromkeys(legs, amount))
    assert change.action == "reduce_coin"
    assert leg is not None
    coin, is_long = _side_of(patient.account.positions[leg])
    return _reduced(
        patient,
        {
            row: amount
            for row, position in enumerate(patient.account.positions)
            if _side_of(position) == (coin, is_long)
        },
    )


def _side_of(position: Position) -> tuple[str, bool]:
    return position.symbol.partition("/")[0], position.contracts > 0.0


def _with_balance(account: Account, asset: str, amount: float) -> Account:
    return replace(account, balances=(*account.balances, Balance(asset, amount)))


def _deposited(patient: Patient, pool: int, amount: float) -> Patient:
    found, account = patient.outcome(), patient.account
    key = found.keys[pool]
    if key.kind == "cross":
        return replace(patient, account=_with_balance(account, key.settle, amount))
    row = int(np.flatnonzero(found.batch.legs.pool == pool)[0])
    margin = float(found.assessment.legs.margin[row]) + amount
    return replace(patient, account=_with_position(account, row, margin=margin))


def _with_position(account: Account, row: int, **facts: object) -> Account:
    positions = list(account.positions)
    positions[row] = replace(positions[row], **facts)  # type: ignore[arg-type] # its own fields
    return replace(account, positions=tuple(positions))


def _isolated(patient: Patient, row: int, margin: float) -> Patient:
    settle = patient.account.positions[row].symbol.partition(":")[2]
    account = _with_balance(patient.account, settle, -margin)
    return replace(patient, account=_with_position(account, row, isolated=True, margin=margin))


def _reduced(patient: Patient, parts: Mapping[int, float]) -> Patient:
    """Close shares of positions; what is closed whole is gone, with its stop."""
    figures, account = patient.outcome().assessment.legs, patient.account
    kept: list[Position] = []
    stops: dict[int, float] = {}
    budgets: dict[int, float] = {}
    for row, position in enumerate(account.positions):
        part = min(parts.get(row, 0.0), 1.0)
        realised, settle = float(figures.unrealised_pnl[row]) * part, position.symbol.split(":")[1]
        margin = float(figures.margin[row]) + realised
        if part == 1.0 or not position.isolated:
            gained = margin if position.isolated else realised
            account = _with_balance(account, settle, gained) if part else account
        if part == 1.0:
            continue
        if row in patient.stops:
            stops[len(kept)] = patient.stops[row]
        if row in patient.budgets:
            budgets[len(kept)] = patient.budgets[row]
        left = replace(position, contracts=position.contracts * (1.0 - part))
        kept.append(replace(left, margin=margin) if position.isolated and part else left)
    account = replace(account, positions=tuple(kept))
    return replace(patient, account=account, stops=stops, budgets=budgets)


def is_cleared(patient: Patient, finding: Finding, change: Change) -> bool:
    """Whether nothing of that code is said of the same position or pool after the change."""
    changed = after(patient, finding, change)
    names = [name_of(changed, found) for found in changed.findings()]
    return name_of(patient, finding) not in names


def less(change: Change, by: float = 1e-6) -> Change:
    """The same change, not quite."""
    return replace(change, amount=change.amount * (1.0 - by))


def amounts(changes: tuple[Change, ...]) -> dict[str, float]:
    """Return what changes come to, by action."""
    return {change.action: change.amount for change in changes}


def check_changes_are_just_enough(patient: Patient, code: str) -> None:
    """Each change of the one finding of a code clears it, and a millionth less does not."""
    finding = patient.only(code)
    assert finding.changes
    for change in finding.changes:
        assert is_cleared(patient, finding, change), change
        assert not is_cleared(patient, finding, less(change)), change
