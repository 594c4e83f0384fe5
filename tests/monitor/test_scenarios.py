"""Scenarios as a monitor makes them: whose accounts they are of, who is named, what comes late."""

import asyncio
from typing import Any

import numpy as np
import pytest

from service.contract.map_parts import encode_map
from service.contract.scenario_parts import (
    SCENARIOS,
    ScenarioFound,
    ScenariosPart,
    ScenariosQuestion,
    decode_scenarios_question,
    decode_scenarios_reply,
)
from service.contract.simulate import (
    AxisDocument,
    GridDocument,
    PolicyDocument,
    ScenarioDocument,
    ShocksDocument,
    StepDocument,
)
from service.monitor.engine import Engine
from service.monitor.scenario_making import ScenarioMaking
from service.monitor.shards import Shards
from service.risk.model import Account, Balance, Instrument, Level, Mark, Position
from service.store.questions import PartLimits, Questions
from tests.monitor.test_maps import fill, people
from tests.monitor.test_service import PATIENCE_S, SYMBOLS, TIERS, running
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio


def falls(*pct: float, tenant: str = "default", worst: int = 2) -> ScenariosQuestion:
    """All contracts fall, a scenario each."""
    return ScenariosQuestion(
        job="j",
        shards=list(range(SHARDS)),
        tenant=tenant,
        scenarios=[ScenarioDocument(shocks=ShocksDocument(all_pct=each)) for each in pct],
        grid=None,
        policies={},
        limits=[],
        worst=worst,
        lasts_s=PATIENCE_S,
    )


async def parts_of(store: Store, question: ScenariosQuestion) -> list[ScenariosPart]:
    questions = Questions(store.client, store.blocking, SHARDS)
    parts = []
    async with asyncio.timeout(PATIENCE_S):
        asked = questions.ask_parts(
            SCENARIOS, lambda *_: encode_map(question), PartLimits(PATIENCE_S, PATIENCE_S)
        )
        async for _, raw in asked:
            part = decode_scenarios_reply(raw)
            assert isinstance(part, ScenariosPart)
            parts.append(part)
    return parts


async def test_a_tenant_has_its_own_accounts_alone(redis_url: str) -> None:
    ours, theirs = people(12), people(20, "defaults")
    async with open_store(redis_url) as store:
        await fill(store, ours + theirs)
        async with running(store):
            for tenant, accounts in (("default", ours), ("defaults", theirs), ("nobody", [])):
                parts = await parts_of(store, falls(-60.0, tenant=tenant))
                levels = np.sum([part.found[0].levels for part in parts], axis=0)
                assert levels.sum() == sum(part.accounts for part in parts) == len(accounts)
                named = [each.account_key for part in parts for each in part.found[0].worst]
                assert {name.partition("/")[0] for name in named} <= {tenant}
                assert bool(levels[Level.BANKRUPT]) is bool(accounts)


def put(shards: Shards, symbol: str, *names: str, wallet: float = 5.0) -> np.ndarray:
    """Accounts that are long one contract at 100, which they find listed and marked."""
    book = shards.engine.book
    base = symbol.partition("/")[0]
    book.table.put_instrument(Instrument(symbol, True, 1.0, base, "USDT", "USDT", TIERS, "generic"))
    book.table.put_mark(Mark(symbol, 100.0))
    position = Position(symbol, 1.0, 100.0)
    keys = [f"default/{name}" for name in names]
    book.put(
        [Account(key, balances=(Balance("USDT", wallet),), positions=(position,)) for key in keys]
    )
    found = [book.find(key) for key in keys]
    return np.array(found, np.int64)


def empty_book(*pegged: str) -> Shards:
    nothing: Any = None  # no port is read
    return Shards(Engine("epoch", pegged), nothing, nothing, nothing, SHARDS)


def names(found: ScenarioFound) -> list[tuple[str, Any]]:
    return [(each.account_key, each.usd) for each in found.worst]


async def test_the_worst_are_named_and_of_equals_the_first_by_name() -> None:
    shards = empty_book("USDT")
    sums = ScenarioMaking(shards, falls(-20.0, 0.0)).begin()
    for wallet, who in ((5.0, "cab"), (2.0, "z"), (5.0, "yd"), (50.0, "x")):
        await sums.add(put(shards, SYMBOLS[0], *who, wallet=wallet))
    fallen, stood = sums.told().found
    missing = 20.0 - 5.0
    assert names(fallen) == [
        ("default/z", pytest.approx(missing + 3.0)),
        ("default/a", pytest.approx(missing)),
    ]
    assert dict(fallen.worst[1].money) == pytest.approx({"USDT": missing})
    assert (fallen.levels[Level.BANKRUPT], fallen.levels[Level.HEALTHY]) == (6, 1)
    assert (stood.worst, stood.cells) == ([], [])


async def test_money_without_a_price_is_not_ranked() -> None:
    shards = empty_book()
    sums = ScenarioMaking(shards, falls(-20.0)).begin()
    await sums.add(put(shards, SYMBOLS[0], "a", "b"))
    (fallen,) = sums.told().found
    assert (fallen.worst, fallen.unranked) == ([], 2)
    assert np.isnan(fallen.cells[0].price).all()


async def test_a_market_that_is_new_on_the_way_is_priced_too() -> None:
    shards = empty_book("USDT")
    sums = ScenarioMaking(shards, falls(-20.0, -1.0)).begin()
    await sums.add(put(shards, SYMBOLS[0], "a"))
    await sums.add(put(shards, SYMBOLS[1], "b", wallet=4.0))
    part = sums.told()
    assert part.accounts == 2
    assert [each.levels[Level.BANKRUPT] for each in part.found] == [2, 0]
    assert [name for name, _ in names(part.found[0])] == ["default/b", "default/a"]


def test_what_is_asked_comes_over_as_it_was_said() -> None:
    path = ShocksDocument(path=[StepDocument(all_pct=-1.0), StepDocument(marks={"X": 2.0})])
    asked = ScenariosQuestion(
        job="j",
        shards=[3],
        tenant="t",
        scenarios=[ScenarioDocument("a name", path)],
        grid=GridDocument([AxisDocument([1.0, -2.0], "Y")]),
        policies={"okx": PolicyDocument(fund=False, deleveraging="none")},
        limits=[],
        worst=0,
        lasts_s=1.5,
    )
    assert decode_scenarios_question(encode_map(asked)) == asked
