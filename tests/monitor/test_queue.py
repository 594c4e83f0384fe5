"""The queue as monitors tell it together: one order, ranks and sizes ahead of every place."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.adl import (
    AheadQuestion,
    QueuedPosition,
    QueueName,
    QueuePlace,
    QueueQuestion,
    ShardQueue,
    encode,
    read_ahead,
    read_positions,
)
from service.monitor import queue as rules
from service.monitor.queue import Queues
from service.monitor.shards import Shards
from service.risk.adl import lights, lights_at, scores
from service.risk.batch import build_batch
from service.risk.evaluate import assess
from service.risk.model import Account, Level, Mark, Position
from service.store.keys import shard_of, split_tenant_key
from tests.monitor.fake_store import FakeStore
from tests.monitor.streams import document_of, put_instrument, put_mark, write
from tests.monitor.test_incremental import exhaust, monitor_of
from tests.risk.building import BTC, ETH, contract, held, one_rate, table_with
from tests.strategies import effort

SHARDS = 3
MARK = 110.0
NAME = QueueName("okx", BTC, long=True)
# (tenant, account number): entry, size, wallet, isolated, another symbol too
holders = st.dictionaries(
    st.tuples(st.sampled_from(["desk", "desk-2"]), st.integers(0, 9)),
    st.tuples(
        st.sampled_from([90.0, 100.0, 109.0, 120.0]),
        st.sampled_from([1.0, 2.5, -1.0]),
        st.sampled_from([3.0, 25.0, 200.0]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


def account_of(name: tuple[str, int], told: tuple[float, float, float, bool, bool]) -> Account:
    entry, size, money, isolated, hedged = told
    positions = [Position(BTC, size, entry, isolated=isolated, margin=money if isolated else None)]
    if hedged:
        positions += [
            Position(ETH, -1.0, 10.0),
            Position(BTC, 0.5, 105.0, isolated=not isolated, margin=9.0 if not isolated else None),
        ]
    key = f"{name[0]}/acc-{name[1]}"
    return held(*positions, usdt=money, account_key=key, venue="okx")


async def books(accounts: list[Account]) -> list[Shards]:
    """Two monitors over the same input: one has shard 0, the other the rest."""
    store = FakeStore(SHARDS)
    for one in (contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01))):
        put_instrument(one)(store, None)  # type: ignore[arg-type]  # it looks at no book
    for account in accounts:
        write(account.account_key, document_of(account), "account", notice=True)(store, None)  # type: ignore[arg-type]
    for symbol, price in ((BTC, MARK), (ETH, 10.0)):
        put_mark(Mark(symbol, price))(store, None)  # type: ignore[arg-type]
    found = []
    for shards in ([0], [1, 2]):
        book = monitor_of(store)
        book.expect(await store.acquire(shards))
        await book.recover()
        await exhaust(book)
        found.append(book)
    return found


def reference(accounts: list[Account]) -> list[tuple[QueuedPosition, int]]:
    """The whole queue, each position with its lights, from all accounts at once."""
    listed = (contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)))
    table = table_with(*listed, marks={BTC: MARK, ETH: 10.0})
    batch, _ = build_batch(accounts, table)
    assessment = assess(batch)
    score, pool = scores(batch, assessment), batch.legs.pool
    free = (assessment.pools.level < Level.LIQUIDATION)[pool] & (batch.legs.contracts > 0.0)
    market = table.market("okx", BTC)
    found = []
    for row in np.flatnonzero(free & (batch.legs.market == market)).tolist():
        key = accounts[int(batch.pools.account[pool[row]])].account_key
        place = QueuePlace(float(score[row]), key, bool(batch.pools.isolated[pool[row]]))
        found.append((QueuedPosition(place, float(abs(assessment.legs.size[row]))), row))
    found.sort(key=lambda one: one[0].place.order())
    if len(set(score[[row for _, row in found]].tolist())) == len(found):
        lit = lights(batch, assessment, np.where(free, score, np.nan))
        return [(one, int(lit[row])) for one, row in found]
    return [(one, 0) for one, _ in found]


def told(books: list[Shards], question: QueueQuestion) -> list[QueuedPosition]:
    answers = [asyncio.run(Queues().first(book, encode(question))) for book in books]
    assert [shards for shards, _ in answers] == [[0], [1, 2]]
    found = [one for _, answer in answers for one in read_positions(answer)]
    return sorted(found, key=lambda one: one.place.order())[: question.limit]


def ahead(
    books: list[Shards], places: list[QueuePlace], name: QueueName = NAME
) -> list[ShardQueue]:
    asked = encode(AheadQuestion(name, places))
    answers = [asyncio.run(Queues().ahead(book, asked)) for book in books]
    return [one for _, answer in answers for one in read_ahead(answer).shards]


@effort(40, 2_000)
@given(holders, st.integers(1, 4))
def test_monitors_tell_one_queue_in_pages(
    population: dict[tuple[str, int], tuple[float, float, float, bool, bool]], limit: int
) -> None:
    accounts = [account_of(name, one) for name, one in population.items()]
    both, wanted = asyncio.run(books(accounts)), reference(accounts)
    for tenant in (None, "desk", "desk-2"):
        mine = [
            (rank, one, lit)
            for rank, (one, lit) in enumerate(wanted)
            if tenant in (None, split_tenant_key(one.place.account_key)[0])
        ]
        paged: list[QueuedPosition] = []
        after = None
        while page := told(both, QueueQuestion(NAME, limit, tenant, after)):
            paged += page
            after = page[-1].place
        assert paged == [one for _, one, _ in mine]
        shards = ahead(both, [one.place for one in paged])
        assert sorted(one.shard for one in shards) == list(range(SHARDS))
        assert sum(one.positions for one in shards) == len(wanted)
        for place, (rank, _, lit) in enumerate(mine):
            assert sum(one.ahead[place] for one in shards) == rank
            size = sum(one.ahead_size[place] for one in shards)
            whole = sum(one.size for one in shards)
            assert size == sum(one.size for one, _ in wanted[:rank])
            assert lit in (0, int(lights_at(np.array([size]), whole)[0]))


def test_nobody_holds_it() -> None:
    both = asyncio.run(books([]))
    assert told(both, QueueQuestion(NAME, 5, None)) == []
    nobody = QueueName("binance", "XRP/USDT:USDT", long=False)
    assert told(both, QueueQuestion(nobody, 5, None)) == []
    assert sum(one.positions for one in ahead(both, [])) == 0


@pytest.mark.parametrize(
    ("wallet", "queued"),
    [(11.2, True), (11.0, False), (9.0, False)],  # 1.1 is required; BANKRUPT below 10
)
def test_who_is_to_be_closed_takes_nothing_over(wallet: float, queued: bool) -> None:
    losing = held(Position(BTC, 1.0, 120.0), usdt=wallet, account_key="desk/a", venue="okx")
    both = asyncio.run(books([losing]))
    assert bool(told(both, QueueQuestion(NAME, 5, None))) == queued


def test_without_a_price_a_position_is_counted_and_not_ranked() -> None:
    lacking = held(
        Position(BTC, 1.0, 100.0),
        Position("XRP/USDT:USDT", 1.0, 1.0),
        usdt=50.0,
        account_key="desk/a",
        venue="okx",
    )
    both = asyncio.run(books([lacking]))
    name = QueueName("okx", "XRP/USDT:USDT", long=True)
    assert told(both, QueueQuestion(name, 5, None)) == []
    shards = ahead(both, [], name)
    assert (sum(one.unpriced for one in shards), sum(one.positions for one in shards)) == (1, 0)


@pytest.mark.anyio
async def test_a_shard_that_goes_meanwhile_is_not_spoken_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "ACCOUNTS_AT_ONCE", 1)
    people = [account_of(("desk", number), (90.0, 1.0, 25.0, False, False)) for number in range(9)]
    both, queues = await books(people), Queues()
    asking = asyncio.create_task(queues.first(both[1], encode(QueueQuestion(NAME, 99, None))))
    await asyncio.sleep(0)
    both[1].drop(2)
    shards, answer = await asking
    assert shards == [1]
    wanted = [one.account_key for one in people if shard_of(one.account_key, SHARDS) == 1]
    assert wanted
    assert [one.place.account_key for one in read_positions(answer)] == wanted
    both[1].drop(1)  # nor is what was kept
    shards, answer = await queues.first(both[1], encode(QueueQuestion(NAME, 99, None)))
    assert (shards, read_positions(answer)) == ([], [])
