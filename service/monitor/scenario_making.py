"""A shard's part of scenarios, a thousand accounts after the other, some scenarios at a time.

All scenarios see one copy of some accounts. What is kept is sums, and of each scenario as many
accounts as are to be named.
"""

import asyncio
import heapq
from dataclasses import dataclass, field

import numpy as np

from service.contract.map_parts import MapCell
from service.contract.scenario_parts import (
    ScenarioFound,
    ScenariosPart,
    ScenariosQuestion,
    WorstShort,
)
from service.contract.supposed import policies_of, scenarios_of
from service.monitor.pictures import Picture
from service.monitor.shards import Shards
from service.risk.columns import Batch, Floats, Ints, sums_by
from service.risk.model import Level
from service.risk.simulate.by_sums import Short, Summed, Supposed, level_counts, summed
from service.risk.simulate.prices import prices_at

SCENARIOS_A_CALL = 16


class ScenarioMaking:
    """Scenarios of one book."""

    def __init__(self, shards: Shards, asked: ScenariosQuestion) -> None:
        self.picture = Picture(shards, asked.limits)
        self.worst = asked.worst
        self.scenarios = [each.scenario for each in scenarios_of(asked)]
        self._policies = policies_of(asked.policies)
        self._version = -1
        self.supposed: list[Supposed] = []

    def begin(self) -> "ScenarioSums":
        """Return a part with nothing in it."""
        return ScenarioSums(self)

    def batch(self, accounts: Ints) -> Batch:
        """Copy the pools of some accounts."""
        self.picture.widen()
        return self.picture.batch(self.picture.book.slots_of_all(accounts))

    def walk(self, batch: Batch, first: int) -> list[Summed]:
        """Take a batch through some scenarios; one call at a time."""
        if self._version != self.picture.version:
            self._look(batch)
        table, last = self.picture.table, first + SCENARIOS_A_CALL
        with np.errstate(all="ignore"):  # what overflows is found in the sums
            return [summed(batch, table, each) for each in self.supposed[first:last]]

    def _look(self, batch: Batch) -> None:
        """Work out all prices, as the markets are numbered now."""
        picture = self.picture
        self.supposed = [
            Supposed.of(
                [prices_at(batch, picture.table, step, {}) for step in scenario.steps],
                scenario.slippage,
                self._policies,
                picture.event_most,
            )
            for scenario in self.scenarios
        ]
        self._version = picture.version


class ScenarioSums:
    """What the pieces of a shard add up to."""

    def __init__(self, making: ScenarioMaking) -> None:
        self._making = making
        self._accounts = 0
        self._found = [_Found() for _ in making.scenarios]

    async def add(self, accounts: Ints) -> None:
        """Take some accounts through all scenarios, in another thread."""
        self._accounts += len(accounts)
        if not len(accounts):
            await asyncio.sleep(0)
            return
        making = self._making
        batch = making.batch(accounts)
        for first in range(0, len(self._found), SCENARIOS_A_CALL):
            told = await asyncio.to_thread(making.walk, batch, first)
            for index, each in enumerate(told, first):
                self._found[index].add(each, making)

    def told(self) -> ScenariosPart:
        """Return it as it is answered; money that nothing is ever liquidated in is left out."""
        making = self._making
        found = [each.told(making, index) for index, each in enumerate(self._found)]
        return ScenariosPart(making.picture.market_id, self._accounts, found)


@dataclass(slots=True)
class _Found:
    """What one scenario has done so far."""

    levels: Ints = field(default_factory=lambda: np.zeros(len(Level), np.int64))
    sums: dict[int, Floats] = field(default_factory=dict)  # by asset
    worst: list[WorstShort] = field(default_factory=list)
    unranked: int = 0

    def add(self, found: Summed, making: ScenarioMaking) -> None:
        self.levels += level_counts(found.level)
        for asset, sums in zip(found.assets.tolist(), found.sums, strict=True):
            if asset in self.sums:
                self.sums[asset] += sums
            else:
                self.sums[asset] = sums
        if making.worst and len(found.short.account):
            self._rank(found, making)

    def _rank(self, found: Summed, making: ScenarioMaking) -> None:
        """Keep the accounts that fall short of most; of equals the first by name."""
        short, most = found.short, making.worst
        account, owner = np.unique(short.account, return_inverse=True)
        usd = sums_by(owner, short.usd, len(account))
        self.unranked += int(np.count_nonzero(np.isnan(usd)))
        least = self.worst[-1].usd if len(self.worst) == most else 0.0
        rows = np.flatnonzero(usd >= least)
        if len(rows) > most:
            rows = rows[usd[rows] >= np.partition(usd[rows], -most)[-most]]
        level = found.level[np.searchsorted(found.account, account[rows])]
        named = [
            WorstShort(each, making.picture.book.keys[who], at, _money(short, who, making))
            for each, who, at in zip(
                usd[rows].tolist(), account[rows].tolist(), level.tolist(), strict=True
            )
        ]
        self.worst = heapq.nsmallest(most, self.worst + named, key=WorstShort.order)

    def told(self, making: ScenarioMaking, index: int) -> ScenarioFound:
        picture = making.picture
        cells = []
        for asset, sums in self.sums.items():
            if sums.any():
                steps = making.supposed[index].prices
                price = [float(picture.prices[asset] * each.coin[asset]) for each in steps]
                flat = sums.ravel().tolist()
                cells.append(MapCell(*picture.table.asset_key(asset), price, flat))
        return ScenarioFound(self.levels.tolist(), cells, self.worst, self.unranked)


def _money(short: Short, account: int, making: ScenarioMaking) -> list[tuple[str, float]]:
    """Return what an account falls short of, by asset."""
    rows = np.flatnonzero(short.account == account)
    assets, place = np.unique(short.asset[rows], return_inverse=True)
    missing = sums_by(place, short.shortfall[rows], len(assets))
    names = map(making.picture.table.asset_name, assets.tolist())
    return list(zip(names, missing.tolist(), strict=True))
