"""Parts of scenarios added up, settled by venue and asset, and written as answered."""

import heapq
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from service.api.map_sums import Cell, Cells, Key, add_cells, usd
from service.contract.alerts import LevelName
from service.contract.book_scenarios import BookAnswer, BookScenario, MissingMoney, WorstAccount
from service.contract.liquidation_map import MarketIds
from service.contract.problems import fault_answers
from service.contract.scenario_parts import ScenarioFound, ScenariosPart, WorstShort
from service.contract.simulate import MonitoredRequest, SupposedFund
from service.contract.simulated import AssetTotal, FundAnswer
from service.contract.supposed import Asked, policies_of, scenarios_of
from service.errors import Fault, InvalidInput
from service.risk.columns import Floats
from service.risk.map_payers import Payers, paid_in_turn
from service.risk.simulate.whole import ACCOUNTS, FEES
from service.risk.venues import rule_index
from service.risk.walking import CONTRIBUTED, LONG, SHORT, SHORTFALL
from service.store.keys import split_tenant_key

_LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # in the order of model.Level
_PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")
ERRORS_MAX = 10


@dataclass(slots=True)
class _Added:
    """What has come of one scenario."""

    levels: list[int] = field(default_factory=lambda: [0] * len(_LEVELS))
    cells: Cells = field(default_factory=dict)
    worst: list[WorstShort] = field(default_factory=list)
    unranked: int = 0

    def add(self, found: ScenarioFound, worst: int) -> None:
        """Add a shard's; an account is in one shard, so the worst of all are among theirs."""
        self.levels = [one + other for one, other in zip(self.levels, found.levels, strict=True)]
        self.worst = heapq.nsmallest(worst, self.worst + found.worst, key=WorstShort.order)
        self.unranked += found.unranked
        add_cells(self.cells, found.cells)

    def is_finite(self) -> bool:
        return all(bool(np.isfinite(cell.sums).all()) for cell in self.cells.values())


class ScenarioSums:
    """What has come so far."""

    def __init__(self, asked: MonitoredRequest) -> None:
        self.accounts = 0
        self._worst = asked.worst
        self._scenarios = scenarios_of(asked)
        self._policies = policies_of(asked.policies or {})
        self._funds: dict[Key, SupposedFund] = {
            (fund.venue, fund.asset): fund for fund in asked.funds or ()
        }
        self._added = [_Added() for _ in self._scenarios]
        self._market_ids: list[int] = []

    def add(self, part: ScenariosPart) -> None:
        """Add a shard's."""
        self.accounts += part.accounts
        self._market_ids.append(part.market_id)
        for added, found in zip(self._added, part.found, strict=True):
            added.add(found, self._worst)

    def answer(self) -> BookAnswer:
        """Settle and return everything; raises InvalidInput where nothing is left."""
        scenarios: list[BookScenario] = []
        problems: list[Fault] = []
        for index, (asked, added) in enumerate(zip(self._scenarios, self._added, strict=True)):
            if added.is_finite():
                scenarios.append(self._scenario(index, asked, added))
            else:
                where = asked.pointer or "/grid"
                problems.append(Fault(where, "out_of_range", "a figure is too large for a number"))
        if not scenarios:
            raise InvalidInput.of(*problems[:ERRORS_MAX])
        return BookAnswer(
            timestamp=int(time.time() * 1_000),
            settled_by="sums",
            price_basis="mark",
            market_ids=MarketIds(min(self._market_ids), max(self._market_ids)),
            accounts=self.accounts,
            scenarios=scenarios,
            problems=fault_answers(problems),
        )

    def _scenario(self, index: int, asked: Asked, added: _Added) -> BookScenario:
        payers = {key: self._paid(key, added.cells[key]) for key in sorted(added.cells)}
        cells = [added.cells[key] for key in payers]
        return BookScenario(
            name=asked.name,
            index=index,
            moves=asked.moves,
            levels=dict(zip(_LEVELS, added.levels, strict=True)),
            notional_usd=_usd(cells, [_notional(cell) for cell in cells]),
            shortfall_usd=_usd(cells, [cell.sums[:, SHORTFALL] for cell in cells]),
            owed_usd=_usd(cells, [each.owed for each in payers.values()]),
            totals=list(_totals(added.cells, payers)),
            funds=list(_funds(self._funds, added.cells, payers)),
            worst=[_named(each) for each in added.worst],
            unranked=added.unranked,
        )

    def _paid(self, key: Key, cell: Cell) -> Payers:
        fund = self._funds.get(key)
        balance = np.inf if fund is None else fund.balance
        return paid_in_turn(cell.sums, rule_index(key[0]), balance, self._policies)


def _notional(cell: Cell) -> Floats:
    both: Floats = cell.sums[:, LONG] + cell.sums[:, SHORT]
    return both


def _usd(cells: list[Cell], money: list[Floats]) -> float | None:
    """Return what amounts by step come to at the prices of their steps."""
    prices = [price for cell in cells for price in cell.price.tolist()]
    return usd([amount for each in money for amount in each.tolist()], prices)


def _totals(cells: Cells, payers: Mapping[Key, Payers]) -> Iterator[AssetTotal]:
    """Yield the sums of each asset, over all venues."""
    for asset in sorted({asset for _, asset in payers}):
        keys = [key for key in payers if key[1] == asset]
        sums = np.sum([cells[key].sums.sum(axis=0) for key in keys], axis=0)
        paid = {
            name: sum(float(getattr(payers[key], name).sum()) for key in keys) for name in _PAYERS
        }
        yield AssetTotal(
            asset=asset,
            liquidated=int(sums[ACCOUNTS]),
            notional=float(sums[LONG] + sums[SHORT]),
            fees=float(sums[FEES]),
            shortfall=float(sums[SHORTFALL]),
            contributed=float(sums[CONTRIBUTED]),
            **paid,
        )


def _funds(
    listed: Mapping[Key, SupposedFund], cells: Cells, payers: Mapping[Key, Payers]
) -> Iterator[FundAnswer]:
    """Yield the funds somebody listed, and those that money came to or went from."""
    for key in sorted({*listed, *payers}):
        fund, by = listed.get(key), payers.get(key)
        paid = 0.0 if by is None else float(by.fund.sum())
        contributed = 0.0 if by is None else float(cells[key].sums[:, CONTRIBUTED].sum())
        before = None if fund is None else fund.balance
        if fund is not None or paid > 0.0 or contributed > 0.0:
            yield FundAnswer(
                venue=key[0],
                asset=key[1],
                before=before,
                after=before if fund is None or by is None else float(by.balance[-1]),
                reason="not_stated" if fund is None else None,
                contributed=contributed,
                paid=paid,
            )


def _named(worst: WorstShort) -> WorstAccount:
    money = [MissingMoney(asset, missing) for asset, missing in worst.money]
    name = split_tenant_key(worst.account_key)[1]
    return WorstAccount(name, _LEVELS[worst.level], worst.usd, money)
