"""Shards that say what they ask of the funds, killed and moved between every two steps.

At any moment what is stored of a shard is what its pools asked as of the market id that is stored
with it, no more and no less, and in the end all add up to what one book of everybody asks.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from service.contract.funds import FundAsked, FundDocument, encode_fund, read_asked
from service.errors import OutOfStep
from service.monitor.engine import Engine
from service.monitor.fund_claims import Claims, claims_of
from service.monitor.shards import Shards
from service.risk.model import Account, Balance, Position
from service.store import keys
from service.store.funds import ClaimsWrite, Funds
from tests.monitor.streams import document_of
from tests.monitor.test_service import PATIENCE_S, SYMBOLS, list_symbols, post, running
from tests.store.stores import SHARDS, Store, open_store, own

pytestmark = pytest.mark.anyio

LIMITED, FREE = ("okx", "USDT"), ("binance", "USDT")


@dataclass
class World:
    """Two monitors over one store; `late` are words of theirs that are still on their way."""

    store: Store
    funds: Funds
    source: random.Random
    owner: dict[int, Shards] = field(default_factory=dict)
    late: list[ClaimsWrite] = field(default_factory=list)
    truth: dict[tuple[int, int], list[FundAsked]] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    now_ms: int = 1_000

    async def take(self, shards: list[int]) -> None:
        """A new monitor takes shards from whoever had them, without a word to it."""
        book = fresh(self.store)
        book.expect({shard: await own(self.store, shard) for shard in shards})
        await book.recover()
        await catch_up(book)
        self.owner |= dict.fromkeys(shards, book)

    async def say(self, book: Shards) -> None:
        """A monitor says what its shards ask; some of it is late, and it may be told twice."""
        for write in claims_of([book], await Claims(self.funds).limits()):
            if self.owner[write.shard] is book:
                self.note(write)
            if self.source.random() < 0.3:
                self.late.append(write)
            if self.source.random() < 0.7:
                self.outcomes.update(await self.funds.write_claims([write]))

    def note(self, write: ClaimsWrite) -> None:
        rows = read_asked(write.told)
        known = self.truth.setdefault((write.shard, write.market_id), rows)
        assert sums([known]) == pytest.approx(sums([rows]), rel=1e-9, abs=1e-9)

    async def check(self) -> None:
        """What is stored of each shard is true of the market id that is stored."""
        for shard, said in enumerate((await self.funds.claims())[1]):
            if said is not None:
                assert said.market_id >= self.reached.get(shard, 0)  # nothing late undoes it
                self.reached[shard] = said.market_id
                known = self.truth[shard, said.market_id]
                assert sums([read_asked(said.told)]) == pytest.approx(
                    sums([known]), rel=1e-9, abs=1e-9
                )


def fresh(store: Store) -> Shards:
    return Shards(Engine("epoch"), store.market, store.accounts, store.log, SHARDS)


async def catch_up(book: Shards) -> None:
    while await book.follow(0):
        pass


FIGURES = ("claimed", "over_limit", "contribution", "claims", "liquidations", "unpriced")


def sums(told: list[list[FundAsked]]) -> dict[str, float]:
    """By fund and figure what is asked of it."""
    found: dict[str, float] = defaultdict(float)
    for row in (row for rows in told for row in rows):
        for figure in FIGURES:
            found[f"{row.venue} {row.asset} {figure}"] += getattr(row, figure) or 0.0
    return dict(found)


def holder(number: int, source: random.Random) -> Account:
    venue = ("okx", "binance", "bybit")[number % 3]  # nobody has put a fund for the last
    size = source.choice([-1.0, 1.0]) * source.uniform(0.5, 2.0)
    position = Position(source.choice(SYMBOLS), size, 100.0)
    wallet = Balance("USDT", abs(size) * source.uniform(4.0, 15.0))
    return Account(f"default/acc-{number}", venue, balances=(wallet,), positions=(position,))


async def step(world: World) -> None:
    source, store = world.source, world.store
    book = source.choice(list(world.owner.values()))
    match source.choice(["mark", "mark", "account", "follow", "follow", "say", "late", "kill"]):
        case "mark":
            world.now_ms += 100
            await post(store, source.choice(SYMBOLS), source.uniform(84.0, 116.0), world.now_ms)
        case "account":
            changed = holder(source.randrange(40), source)
            await store.accounts.put(changed.account_key, document_of(changed), "deposit")
        case "follow":
            await book.follow(0)
            if source.random() < 0.5:
                await book.commit(positions=True)
        case "say":
            await world.say(book)
        case "late" if world.late:
            late = world.late.pop(source.randrange(len(world.late)))
            world.outcomes.update(await world.funds.write_claims([late]))
        case "kill":
            taken = [shard for shard in range(SHARDS) if source.random() < 0.4]
            if taken:
                await world.take(taken)
    await world.check()


@pytest.mark.parametrize("seed", range(3))
async def test_claims_are_true_whoever_dies_and_whatever_comes_late(
    redis_url: str, seed: int
) -> None:
    async with open_store(redis_url) as store:
        world = World(store, Funds(store.client, SHARDS), random.Random(seed))
        await list_symbols(store)
        for symbol in SYMBOLS:
            await post(store, symbol, 100.0, 1_000)
        for number in range(40):
            one = holder(number, world.source)
            await store.accounts.put(one.account_key, document_of(one))
        await world.funds.put(LIMITED, encode_fund(FundDocument(1_000.0, 2.0), 0))
        await world.funds.put(FREE, encode_fund(FundDocument(5.0), 0))
        await world.take(list(range(SHARDS)))
        for _ in range(80):
            try:
                await step(world)
            except OutOfStep:  # a shard was taken from it: it recovers from the store
                await world.take(list(range(SHARDS)))
        await post(store, SYMBOLS[0], 80.0, world.now_ms + 100)
        limits = await Claims(world.funds).limits()
        for book in set(world.owner.values()):
            await catch_up(book)
            await world.funds.write_claims(claims_of([book], limits))
        everybody = fresh(store)
        everybody.expect({shard: await own(store, shard) for shard in range(SHARDS)})
        await everybody.recover()
        await catch_up(everybody)
        wanted = [read_asked(one.told) for one in claims_of([everybody], limits)]
        stored = [read_asked(one.told) for one in (await world.funds.claims())[1] if one]
        assert len(stored) == SHARDS
        found = sums(stored)
        assert found == pytest.approx(sums(wanted), rel=1e-9, abs=1e-9)
        assert {name.rpartition(" ")[0] for name in found} == {"okx USDT", "binance USDT"}
        # It was put to the test.
        assert min(found["okx USDT claimed"], found["binance USDT claimed"]) > 0.0
        assert found["okx USDT over_limit"] > 0.0
        assert min(world.outcomes["lease_lost"], world.outcomes["written"]) > 0


async def spoken(funds: Funds, name: tuple[str, str], after_ms: int = -1) -> int:
    """Wait until every shard has said what it asks of a fund after a moment; the last of them."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            _, said = await funds.claims()
            if all(said) and all(_speaks(one.told, name) for one in said if one):
                times_ms = [one.at_ms for one in said if one]
                if min(times_ms) > after_ms:
                    return max(times_ms)
            await asyncio.sleep(0.05)


def _speaks(told: bytes, name: tuple[str, str]) -> bool:
    return name in [(row.venue, row.asset) for row in read_asked(told)]


@pytest.mark.parametrize("record", [b'3 {"balance":"much"}', b"3 \xff", b"nothing of ours", b""])
async def test_a_fund_that_cannot_be_read_costs_itself_alone(
    redis_url: str, caplog: pytest.LogCaptureFixture, record: bytes
) -> None:
    def told() -> Sequence[str]:
        return [line for line in caplog.messages if "the fund okx USDT" in line]

    async with open_store(redis_url) as store:
        funds = Funds(store.client, SHARDS)
        await store.client.call("HSET", keys.FUNDS, keys.market_name(*LIMITED), record)
        await funds.put(FREE, encode_fund(FundDocument(5.0), 0))
        async with running(store) as task:
            first_ms = await spoken(funds, FREE)
            await spoken(funds, FREE, first_ms)  # the monitor has looked again
            assert len(told()) == 1
            assert not task.done()
            assert not any(_speaks(one.told, LIMITED) for one in (await funds.claims())[1] if one)
            await funds.put(LIMITED, encode_fund(FundDocument(1.0), 0))
            await spoken(funds, LIMITED)


async def test_a_book_whose_levels_are_ahead_of_its_market_id_says_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(redis_url) as store:
        world = World(store, Funds(store.client, SHARDS), random.Random(1))
        await world.take(list(range(SHARDS)))
        book = next(iter(world.owner.values()))
        assert claims_of([book], {FREE: None})
        monkeypatch.setattr(Engine, "is_ahead", property(lambda _engine: True))
        assert claims_of([book], {FREE: None}) == []
