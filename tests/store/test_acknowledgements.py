"""Acknowledgements: of alerts that are in the log, once, told in the one order, gone with them."""

import orjson
import pytest

from service.errors import StoreUnavailable, UnknownAlert
from service.store.accounts import AccountChange, Accounts
from service.store.acknowledgements import Acknowledgements
from service.store.alert_log import ENTRIES_A_TRIM, Commit
from service.store.client import connect
from service.store.log_entries import LogBlock, Rank, Run
from service.store.market_stream import Gate, MarketStream
from tests.cutting_proxy import proxied
from tests.store.stores import SHARDS, Store, crash, names, open_store, own
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

KEY = "default/a1"
OTHER = "other/a1"  # the same id in another tenant


def acks_of(store: Store) -> Acknowledgements:
    return Acknowledgements(store.client, store.market, SHARDS)


def block(*account_keys: str) -> LogBlock:
    return LogBlock(account_keys, b"[]", [Run(Rank(1, 0, 2), len(account_keys))])


async def log(
    store: Store, *entries: LogBlock, seq: int = 0, number: int = 1, ahead: int = 0
) -> int:
    """Commit entries to KEY's shard, up to this seq of KEY; returns the shard."""
    shard = store.accounts.shard_of(KEY)
    if number == 1:
        await own(store, shard)
    offset = (await store.log.tails())[shard].offset
    seqs = [(KEY, seq)] if seq else []
    commit = Commit(1, number, 1, 0, offset, seqs=seqs, blocks=entries, ahead=ahead)
    assert await store.log.commit([(shard, commit)]) == ["committed"]
    return shard


async def test_the_first_time_counts_and_the_owner_hears_of_it_once(store: Store) -> None:
    shard = await log(store, block(KEY, KEY), seq=2)
    acks = acks_of(store)
    assert await acks.acknowledged([(KEY, 1), (KEY, 2)]) == [False, False]
    first = await acks.acknowledge(KEY, 2)
    assert await acks.acknowledge(KEY, 2) == first
    assert await acks.acknowledged([(KEY, 1), (KEY, 2), (OTHER, 2)]) == [False, True, False]
    (change,) = await store.accounts.changes(shard, 0, 99)
    assert change == AccountChange(1, KEY, 0, "ack", b"2", change.time_ms)
    (entry,) = await store.market.read(0)
    assert (entry.kind, orjson.loads(entry.payload)) == ("a", {"shard": shard, "upto": 1})


@pytest.mark.parametrize(
    ("key", "seq"), [(KEY, 3), (KEY, 10**15), (OTHER, 1), ("default/never", 1)]
)
async def test_what_is_not_in_the_log_is_unknown_and_leaves_no_trace(
    store: Store, key: str, seq: int
) -> None:
    await log(store, block(KEY, KEY), seq=2)
    before = await names(store)
    with pytest.raises(UnknownAlert, match="there is no such alert in the log"):
        await acks_of(store).acknowledge(key, seq)
    assert await names(store) == before


async def test_alerts_of_a_burst_can_be_acknowledged_before_their_seqs_are_committed(
    store: Store,
) -> None:
    await log(store, block(KEY), seq=1)
    await log(store, block("default/b", KEY, KEY), number=2, ahead=3)
    await log(store, block(KEY), number=3, ahead=4)
    for seq in (1, 2, 3, 4):
        assert await acks_of(store).acknowledge(KEY, seq)
    with pytest.raises(UnknownAlert):
        await acks_of(store).acknowledge(KEY, 5)


async def test_part_of_an_entry_may_be_settled(store: Store) -> None:
    await log(store, block(KEY, KEY), seq=1, ahead=1)
    assert await acks_of(store).acknowledge(KEY, 2)
    with pytest.raises(UnknownAlert):
        await acks_of(store).acknowledge(KEY, 3)


async def test_an_acknowledgement_goes_with_its_alert(store: Store) -> None:
    shard = await log(store, block(KEY, KEY), block("default/b"), block(KEY), seq=3)
    acks = acks_of(store)
    for seq in (1, 3):
        await acks.acknowledge(KEY, seq)
    assert await store.log.trim_log(shard, 0, 1) == 3
    for seq in (1, 2):
        with pytest.raises(UnknownAlert):
            await acks.acknowledge(KEY, seq)
    assert await acks.acknowledged([(KEY, 1), (KEY, 3)]) == [False, True]
    assert await store.log.trim_log(shard, 0, 0) == 4
    assert await acks.acknowledged([(KEY, 3)]) == [False]
    assert not [name for name in await names(store) if name.endswith(b":acks")]


async def test_a_long_log_is_trimmed_in_steps(store: Store) -> None:
    many = 2 * ENTRIES_A_TRIM + 1
    shard = await log(store, *[block(KEY) for _ in range(many)], seq=many)
    acks = acks_of(store)
    for seq in (1, ENTRIES_A_TRIM, ENTRIES_A_TRIM + 1, many - 1, many):
        await acks.acknowledge(KEY, seq)
    assert await store.log.trim_log(shard, 0, 1) == many - 1
    with pytest.raises(UnknownAlert):
        await acks.acknowledge(KEY, many - 1)
    assert await acks.acknowledged([(KEY, many - 1), (KEY, many)]) == [False, True]
    assert await store.client.call("HLEN", f"{{s{shard:02d}}}:acks") == 1
    assert await store.log.trim_log(shard, 0, 0) == many


async def test_the_account_and_its_version_stay_as_they_were(store: Store) -> None:
    assert await store.accounts.put(KEY, b'{"n":1}') == 1
    shard = await log(store, block(KEY), seq=1)
    await acks_of(store).acknowledge(KEY, 1)
    assert await store.accounts.put(KEY, b'{"n":2}', if_version=1) == 2
    # The owner commits all of it: what it starts from is the account, not the acknowledgement.
    commit = Commit(1, 2, 3, 3, 1, drained=[(KEY, 3)])
    assert await store.log.commit([(shard, commit)]) == ["committed"]
    assert [row async for page in store.accounts.load(shard) for row in page] == [
        (KEY, 2, b'{"n":2}')
    ]


async def test_it_survives_a_lost_answer_and_the_server(valkey: AnyServer) -> None:
    async with open_store(valkey.url) as store:
        await check_lost_answer(store, valkey)


async def check_lost_answer(store: Store, server: AnyServer) -> None:
    shard = await log(store, block(KEY), seq=1)
    async with proxied(server) as proxy, connect(proxy.url) as client:
        through = Acknowledgements(client, MarketStream(client, Gate("source")), SHARDS)
        with pytest.raises(UnknownAlert):  # from here on the server knows the script
            await through.acknowledge(KEY, 2)
        proxy.lose_after = 0
        with pytest.raises(StoreUnavailable):
            await through.acknowledge(KEY, 1)
    await crash(store, server)
    assert await acks_of(store).acknowledged([(KEY, 1)]) == [True]
    assert await acks_of(store).acknowledge(KEY, 1) > 0
    assert len(await store.accounts.changes(shard, 0, 99)) == 1
    # The notice was lost with the answer: the owner sees that one is missing.
    assert await store.market.read(0) == []
    counters = await Accounts(store.client, store.market, SHARDS).counters()
    assert counters[shard].changes == 1
