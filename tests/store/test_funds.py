"""Funds and claims as they are stored: versions, owners, and calls that were carried out unseen."""

import pytest

from service.errors import StoreUnavailable, TooManyItems, UnknownFund, VersionMismatch
from service.store import funds as rules
from service.store.client import connect
from service.store.funds import ClaimsWrite, Funds
from tests.cutting_proxy import proxied
from tests.store.stores import SHARDS, Store, open_store, own
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

FUND = ("binance", "USDT")


def funds_of(store: Store) -> Funds:
    return Funds(store.client, SHARDS)


async def test_a_fund_is_replaced_and_counts_its_versions(store: Store) -> None:
    funds = funds_of(store)
    with pytest.raises(UnknownFund):
        await funds.get(FUND)
    assert await funds.all() == {}
    assert [await funds.put(FUND, b'{"n":%d}' % n) for n in range(3)] == [1, 2, 3]
    assert await funds.put(("okx", "USDT"), b"{}") == 1
    assert (await funds.get(FUND)).doc == b'{"n":2}'
    assert {name: fund.version for name, fund in (await funds.all()).items()} == {
        FUND: 3,
        ("okx", "USDT"): 1,
    }


@pytest.mark.parametrize(
    ("wanted", "of_none", "of_one"),
    [
        (None, True, True),
        ({0}, True, False),
        (set(), False, True),
        ({1}, False, True),
        ({3, 1}, False, True),
        ({11, 2}, False, False),
    ],
)
async def test_a_write_may_ask_for_a_version(
    store: Store, wanted: set[int] | None, of_none: bool, of_one: bool
) -> None:
    funds = funds_of(store)
    for there, good in ((False, of_none), (True, of_one)):
        name = (FUND[0], f"{there}")
        if there:
            await funds.put(name, b"old")
        if good:
            assert await funds.put(name, b"new", wanted) == 1 + there
            assert (await funds.get(name)).doc == b"new"
        else:
            with pytest.raises(VersionMismatch):
                await funds.put(name, b"new", wanted)
            assert [fund.doc for key, fund in (await funds.all()).items() if key == name] == (
                [b"old"] if there else []
            )


async def test_there_may_be_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "FUNDS_MAX", 2)
    funds = funds_of(store)
    for asset in ("A", "B"):
        await funds.put(("okx", asset), b"")
    with pytest.raises(TooManyItems):
        await funds.put(("okx", "C"), b"")
    assert await funds.put(("okx", "B"), b"") == 2


async def test_claims_are_their_owners_word_the_last_one(store: Store) -> None:
    funds = funds_of(store)
    tokens = [(await own(store, shard)).token for shard in range(SHARDS)]
    _, none = await funds.claims()
    assert none == [None] * SHARDS
    writes = [ClaimsWrite(shard, tokens[shard], 7, b"[%d]" % shard) for shard in range(SHARDS)]
    assert await funds.write_claims(writes) == ["written"] * SHARDS
    assert await funds.write_claims(writes) == ["written"] * SHARDS  # sent again
    before = ClaimsWrite(1, tokens[1], 6, b"[]")
    after = ClaimsWrite(2, tokens[2], 8, b"[]")
    taken = (await own(store, 3)).token
    late = ClaimsWrite(3, tokens[3], 9, b"[]")
    assert await funds.write_claims([before, after, late]) == ["ahead", "written", "lease_lost"]
    now_ms, found = await funds.claims()
    assert [one and (one.market_id, one.told) for one in found] == [
        (7, b"[0]"),
        (7, b"[1]"),
        (8, b"[]"),
        (7, b"[3]"),
    ]
    assert all(one and 0 <= now_ms - one.at_ms < 60_000 for one in found)
    assert await funds.write_claims([ClaimsWrite(3, taken, 7, b"[x]")]) == ["written"]


async def test_a_call_whose_answer_is_lost_is_made_again(
    redis_url: str, shared_server: AnyServer
) -> None:
    async with open_store(redis_url) as store, proxied(shared_server) as proxy:
        token = (await own(store, 0)).token
        async with connect(proxy.url) as client:
            through = Funds(client, SHARDS)
            write = [ClaimsWrite(0, token, 5, b"[5]")]
            await through.write_claims([ClaimsWrite(0, token, 4, b"[4]")])
            await through.put(FUND, b"a")
            proxy.lose_after = 0
            with pytest.raises(StoreUnavailable):
                await through.write_claims(write)
        funds = funds_of(store)
        assert await funds.write_claims(write) == ["written"]
        assert ((await funds.claims())[1][0] or write[0]).told == b"[5]"
        assert (await funds.get(FUND)).version == 1
