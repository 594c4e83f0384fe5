"""Maps of what monitors hold: whole whoever dies or takes over, by one set of marks, and aside."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import pytest

from service.contract.map_parts import (
    FORGET_MAP,
    MAP,
    MapPart,
    MapQuestion,
    MapRefused,
    decode_map_reply,
    encode_map,
)
from service.errors import MonitorUnavailable
from service.monitor import map_making, maps
from service.risk.batch import build_batch
from service.risk.liquidation_map import FIELDS, walk
from service.risk.markets import MarketTable
from service.risk.model import Account, Instrument, Mark
from service.risk.shocks import shock_of
from service.risk.walking import SHORTFALL
from service.store.questions import PartLimits, Questions
from tests.monitor.streams import document_of
from tests.monitor.test_service import (
    PATIENCE_S,
    SYMBOLS,
    TIERS,
    account,
    list_symbols,
    monitor_over,
    poll,
    post,
    running,
    served,
)
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio

FACTORS = [0.4, 0.9, 1.0, 1.3]
LIMITS = PartLimits(PATIENCE_S, 0.2)
MARKS = dict(zip(SYMBOLS, (97.0, 100.0, 103.0), strict=True))


def people(count: int, tenant: str = "default") -> list[Account]:
    """Accounts of a tenant, with names of their own."""
    source = np.random.default_rng(3)
    found = [account(number, source) for number in range(count)]
    for one in found:
        object.__setattr__(one, "account_key", f"{tenant}/{one.account_key.partition('/')[2]}")
    return found


async def fill(store: Store, accounts: list[Account]) -> None:
    await list_symbols(store)
    for symbol, price in MARKS.items():
        await post(store, symbol, price, 1_000)
    await store.accounts.put_many([(one.account_key, document_of(one)) for one in accounts])


def asked(symbol: str | None = None, tenant: str | None = "default", **more: object) -> MapQuestion:
    facts: dict[str, object] = {
        "job": "j",
        "shards": list(range(SHARDS)),
        "tenant": tenant,
        "symbol": symbol,
        "venue": None,
        "factors": FACTORS,
        "limits": [],
        "lasts_s": PATIENCE_S,
    }
    return MapQuestion(**(facts | more))  # type: ignore[arg-type]  # fields by name


def parts_of(
    store: Store, question: MapQuestion, limits: PartLimits = LIMITS
) -> AsyncGenerator[tuple[int, bytes], None]:
    """Ask as a worker does."""

    def payload_of(_: str, shards: list[int], left_s: float) -> bytes:
        facts = {name: getattr(question, name) for name in question.__struct_fields__}
        return encode_map(MapQuestion(**(facts | {"shards": shards, "lasts_s": left_s})))

    questions = Questions(store.client, store.blocking, SHARDS)
    return questions.ask_parts(MAP, payload_of, limits)


class Whole:
    """Parts, added up."""

    def __init__(self) -> None:
        self.shards: list[int] = []
        self.market_ids: set[int] = set()
        self.accounts = self.pools = 0
        self.liquidated = np.zeros(len(FACTORS), np.int64)
        self.sums = np.zeros((len(FACTORS), FIELDS))

    def add(self, shard: int, raw: bytes) -> None:
        part = decode_map_reply(raw)
        assert isinstance(part, MapPart)
        self.shards.append(shard)
        self.market_ids.add(part.market_id)
        self.accounts += part.accounts
        self.pools += part.pools
        self.liquidated += part.liquidated
        for cell in part.cells:
            assert (cell.venue, cell.asset) == ("generic", "USDT")
            self.sums += np.array(cell.sums).reshape(-1, FIELDS)

    def is_of(self, accounts: list[Account], symbol: str | None = None) -> None:
        """Check that it is the map of these accounts, each of them once."""
        table = MarketTable()
        for name, price in MARKS.items():
            base = name.partition("/")[0]
            table.put_instrument(Instrument(name, True, 1.0, base, "USDT", "USDT", TIERS))
            table.put_mark(Mark(name, price))
        batch, _ = build_batch(accounts, table)
        shock = shock_of(table, symbol, None, np.array(FACTORS))
        found = walk(batch, shock, np.full(len(batch.asset_price), np.inf))
        assert sorted(self.shards) == list(range(SHARDS))
        assert (self.accounts, self.pools) == (len(accounts), found.pools)
        assert self.liquidated.tolist() == found.accounts.tolist()
        assert self.sums == pytest.approx(found.sums.sum(axis=0), rel=1e-9)
        assert found.sums[:, :, SHORTFALL].max() > 0.0


async def whole(store: Store, question: MapQuestion) -> Whole:
    found = Whole()
    async with asyncio.timeout(PATIENCE_S), aclosing(parts_of(store, question)) as parts:
        async for shard, raw in parts:
            found.add(shard, raw)
    return found


@pytest.mark.parametrize("symbol", [None, SYMBOLS[0]])
async def test_the_parts_add_up_to_the_map_of_the_book(redis_url: str, symbol: str | None) -> None:
    accounts = people(40)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        async with running(store):
            (await whole(store, asked(symbol))).is_of(accounts, symbol)


async def test_a_tenants_map_has_its_accounts_alone_and_an_operators_all(redis_url: str) -> None:
    ours, theirs = people(20), people(30, "defaults")
    async with open_store(redis_url) as store:
        await fill(store, ours + theirs)
        async with running(store):
            (await whole(store, asked())).is_of(ours)
            (await whole(store, asked(tenant="defaults", job="k"))).is_of(theirs)
            (await whole(store, asked(tenant=None, job="l"))).is_of(ours + theirs)
            assert (await whole(store, asked(tenant="nobody", job="m"))).accounts == 0


async def test_marks_are_judged_while_a_map_is_made_by_those_it_began_with(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "PIECE_ACCOUNTS", 1)
    accounts = people(120)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        monitor = monitor_over(store)
        async with running(store, monitor), aclosing(parts_of(store, asked())) as parts:
            found = Whole()
            found.add(*await anext(parts))
            began = monitor.figures()["marketId"]
            await post(store, SYMBOLS[0], 10.0, 2_000)
            await poll(lambda: monitor.figures()["marketId"] > began)
            assert len(found.shards) < SHARDS
            async for shard, raw in parts:
                found.add(shard, raw)
        found.is_of(accounts)
        assert len(found.market_ids) == 1


async def test_a_monitor_that_comes_in_the_middle_has_no_account_counted_twice(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "PIECE_ACCOUNTS", 1)
    accounts = people(60)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        one, two = monitor_over(store, "one"), monitor_over(store, "two")
        async with running(store, one):
            task = asyncio.create_task(two.run(asyncio.Event()))
            for number in range(20):
                (await whole(store, asked(job=f"j{number}"))).is_of(accounts)
                if served(one) and served(two):
                    break
            assert sorted(served(one) + served(two)) == list(range(SHARDS))
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_who_takes_over_from_a_dead_monitor_makes_the_rest(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "PIECE_ACCOUNTS", 1)
    accounts = people(120)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        found = Whole()
        async with aclosing(parts_of(store, asked())) as parts:
            async with running(store, monitor_over(store, "one")):
                found.add(*await anext(parts))
            assert len(found.shards) < SHARDS
            async with running(store, monitor_over(store, "two")):
                async for shard, raw in parts:
                    found.add(shard, raw)
        found.is_of(accounts)


async def test_without_a_monitor_the_shards_that_are_missing_are_named(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        parts = parts_of(store, asked(), PartLimits(0.3, 0.1))
        with pytest.raises(MonitorUnavailable, match=f"{SHARDS} shards"):
            await anext(parts)


async def test_more_maps_than_it_takes_on_are_refused(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "JOBS_MAX", 0)
    async with open_store(redis_url) as store:
        await fill(store, people(5))
        async with running(store), aclosing(parts_of(store, asked())) as parts:
            _, raw = await anext(parts)
            assert isinstance(decode_map_reply(raw), MapRefused)


async def test_a_mistake_costs_the_map_and_not_the_monitor(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    accounts = people(20)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        async with running(store) as task:
            with monkeypatch.context() as patched:
                patched.setattr(map_making, "walk", broken)
                with pytest.raises(MonitorUnavailable):
                    await anext(parts_of(store, asked(), PartLimits(0.5, 0.1)))
            assert not task.done()
            (await whole(store, asked(job="next"))).is_of(accounts)


async def test_a_map_that_nobody_waits_for_is_given_up(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "PIECE_ACCOUNTS", 1)
    walked = 0
    plain = walk

    def counted(*arguments: object) -> object:
        nonlocal walked
        walked += 1
        return plain(*arguments)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(map_making, "walk", counted)
    accounts = people(400)
    async with open_store(redis_url) as store:
        await fill(store, accounts)
        async with running(store):
            parts = parts_of(store, asked(job="lost"))
            await anext(parts)
            questions = Questions(store.client, store.blocking, SHARDS)
            await questions.tell(FORGET_MAP, b"lost")
            # The next is made only after it.
            (await whole(store, asked(job="next"))).is_of(accounts)
            await parts.aclose()
    assert walked < 2 * len(accounts)
