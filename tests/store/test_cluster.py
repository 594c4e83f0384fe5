"""A cluster behind the door: commands find their node, what was not done is sent on, no more."""

import asyncio
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from redis.crc import key_slot

from service.errors import StoreUnavailable
from service.store import keys
from service.store.client import Client, connect, connect_blocking
from service.store.commands import Message, Script, ScriptCall, load_script
from service.store.epoch import settle
from service.store.health import ping
from tests.cutting_proxy import proxied
from tests.valkey_cluster import ValkeyCluster
from tests.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio

SHARDS = 12
TAGS = [f"{{t{number}}}" for number in range(30)]  # slots at every node
MOVED = "{moves}"
SUM = "return (redis.call('GET', KEYS[1]) or 0) + (redis.call('GET', KEYS[2]) or 0)"
BOTH = Script("both", SUM, hashlib.sha1(SUM.encode()).hexdigest())


@pytest.fixture
async def client(shared_cluster: ValkeyCluster) -> AsyncIterator[Client]:
    """A client of an empty cluster."""
    shared_cluster.flush()
    async with connect(shared_cluster.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def killed_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    cluster = ValkeyCluster(tmp_path_factory.mktemp("killed"))
    yield cluster
    cluster.stop()


@pytest.fixture
def mortal(killed_cluster: ValkeyCluster) -> ValkeyCluster:
    """A cluster whose nodes may be killed; all run, and it is empty."""
    killed_cluster.start()
    killed_cluster.flush()
    return killed_cluster


def node_of(cluster: ValkeyCluster, key: str) -> ValkeyServer:
    return cluster.node_of(key_slot(key.encode()))


async def test_answers_come_in_order_from_all_nodes(
    client: Client, shared_cluster: ValkeyCluster
) -> None:
    assert len({node_of(shared_cluster, tag).port for tag in TAGS}) == 3
    for round_number in (1, 2):
        answers = await client.batch([("INCR", f"{tag}:count") for tag in TAGS for _ in range(3)])
        counted = [3 * round_number - 2, 3 * round_number - 1, 3 * round_number]
        assert answers == counted * len(TAGS)
    for tag in TAGS:
        assert await client.call("GET", f"{tag}:count") == b"6"


async def test_a_script_is_made_known_to_every_node(client: Client) -> None:
    await client.call_everywhere("SCRIPT", "FLUSH")
    calls = [ScriptCall(BOTH, (f"{tag}:a", f"{tag}:b"), ()) for tag in TAGS for _ in range(2)]
    assert await client.batch(calls) == [0] * len(calls)
    await client.call_everywhere("SCRIPT", "FLUSH")
    assert await client.run(BOTH, ("{t1}:a", "{t1}:b"), ()) == 0


async def test_what_a_node_refuses_is_unavailable_and_the_others_have_done_theirs(
    client: Client,
) -> None:
    await client.call("SET", f"{TAGS[0]}:count", "text")
    with pytest.raises(StoreUnavailable, match="not an integer"):
        await client.batch([("INCR", f"{tag}:count") for tag in TAGS])
    assert await client.call("GET", f"{TAGS[1]}:count") == b"1"


async def test_an_atomic_batch_is_of_one_slot(client: Client) -> None:
    assert await client.batch([("INCR", "{a}:1"), ("INCR", "{a}:2")], atomic=True) == [1, 1]
    with pytest.raises(AssertionError):
        await client.batch([("INCR", tag) for tag in TAGS], atomic=True)


@pytest.mark.parametrize("tag", TAGS[:6])
async def test_a_wait_ends_at_the_node_of_its_key(tag: str, client: Client) -> None:
    pushed = asyncio.create_task(client.call("BLPOP", f"{tag}:list", 5))
    read = asyncio.create_task(
        client.call("XREAD", "BLOCK", 5_000, "STREAMS", f"{tag}:stream", "0-0")
    )
    await asyncio.sleep(0)
    await client.call("RPUSH", f"{tag}:list", "one")
    await client.call("XADD", f"{tag}:stream", "1-0", "k", "v")
    assert await pushed == [f"{tag}:list".encode(), b"one"]
    assert await read == [[f"{tag}:stream".encode(), [[b"1-0", [b"k", b"v"]]]]]


async def test_a_write_whose_answer_was_lost_is_not_sent_again(
    shared_cluster: ValkeyCluster,
) -> None:
    shared_cluster.flush()
    async with proxied(shared_cluster) as proxy, connect(proxy.url) as client:
        await client.batch([("GET", tag) for tag in TAGS])
        proxy.lose_after = 0
        with pytest.raises(StoreUnavailable):
            await client.batch([("INCR", tag) for tag in TAGS])
        assert await client.batch([("GET", tag) for tag in TAGS]) == [b"1"] * len(TAGS)


async def test_a_slot_that_moves_is_followed(client: Client, shared_cluster: ValkeyCluster) -> None:
    """Every step of a move by hand: what is there, what is not, a script over both."""
    slot = key_slot(MOVED.encode())
    old = shared_cluster.node_of(slot)
    new = next(node for node in shared_cluster.nodes if node is not old)
    ids = {node.port: _told(node.ask("CLUSTER MYID")) for node in (old, new)}
    await client.call("SET", f"{MOVED}:a", 5)

    new.ask(f"CLUSTER SETSLOT {slot} IMPORTING {ids[old.port]}")
    old.ask(f"CLUSTER SETSLOT {slot} MIGRATING {ids[new.port]}")
    assert await client.call("GET", f"{MOVED}:a") == b"5"
    assert await client.call("INCR", f"{MOVED}:b") == 1  # at the new one already, by ASK
    with pytest.raises(StoreUnavailable, match="during rehashing of slot"):
        await client.run(BOTH, (f"{MOVED}:a", f"{MOVED}:b"), ())

    old.ask(f"MIGRATE 127.0.0.1 {new.port} {MOVED}:a 0 5000")
    for node in (new, old):
        node.ask(f"CLUSTER SETSLOT {slot} NODE {ids[new.port]}")
    assert await client.run(BOTH, (f"{MOVED}:a", f"{MOVED}:b"), ()) == 6
    many = [("INCR", key) for key in (f"{MOVED}:a", "{t1}:c", f"{MOVED}:a")]
    assert await client.batch(many) == [6, 1, 7]
    assert await client.batch([many[0], many[0]], atomic=True) == [8, 9]

    await client.call("DEL", f"{MOVED}:a", f"{MOVED}:b")
    for node in (old, new):
        node.ask(f"CLUSTER SETSLOT {slot} NODE {ids[old.port]}")
    assert await client.batch([many[0], many[0]], atomic=True) == [1, 2]


async def until_heard(
    messages: AsyncIterator[Message | None], text: bytes, publish: Callable[[], Awaitable[object]]
) -> None:
    """Publish until it is heard: a node that is only just known may miss one."""
    while True:
        hearing = asyncio.ensure_future(anext(messages))
        while not hearing.done():
            await publish()
            await asyncio.wait([hearing], timeout=0.2)
        if hearing.result() == ("alerts", text):
            return


async def test_what_is_published_at_one_node_is_heard_at_any(mortal: ValkeyCluster) -> None:
    async with connect_blocking(mortal.url) as blocking, connect(mortal.url) as publisher:
        messages = blocking.listen("alerts")
        assert await anext(messages) is None
        for number, node in enumerate(mortal.nodes):
            told = partial(asyncio.to_thread, node.ask, f"PUBLISH alerts {number}")
            await until_heard(messages, str(number).encode(), told)
        heard_at = [node for node in mortal.nodes if ":1" in node.ask("PUBSUB NUMSUB alerts")]
        assert len(heard_at) == 1
        heard_at[0].kill()
        while await anext(messages) is not None:
            pass
        tag = next(tag for tag in TAGS if node_of(mortal, tag) is not heard_at[0])
        script = ("EVAL", "redis.call('PUBLISH', 'alerts', 'on')", 1, tag)
        await until_heard(messages, b"on", partial(publisher.call, *script))
        await messages.aclose()


async def test_what_one_node_has_is_away_with_it_and_comes_back(mortal: ValkeyCluster) -> None:
    async with connect(mortal.url) as client:
        await client.batch([("INCR", tag) for tag in TAGS])
        lost = mortal.nodes[0]
        here = [tag for tag in TAGS if node_of(mortal, tag) is not lost]
        gone = [tag for tag in TAGS if node_of(mortal, tag) is lost]
        lost.kill()
        for attempt in range(3):
            assert await client.batch([("INCR", tag) for tag in here]) == [attempt + 2] * len(here)
            with pytest.raises(StoreUnavailable):
                await client.batch([("INCR", tag) for tag in gone])
            with pytest.raises(StoreUnavailable):
                await ping(client, 2.0)
        failed = 0
        for _ in range(20):  # what any node may do is not asked of one that did not answer
            try:
                await client.batch([("GET", here[0]), ("PUBLISH", "alerts", "1")])
            except StoreUnavailable:
                failed += 1
        assert failed <= 1
        async with connect(mortal.url) as newcomer:  # its first seed is the one that is away
            assert await newcomer.call("GET", here[0]) == b"4"
        await asyncio.to_thread(mortal.start)
        assert await client.batch([("GET", tag) for tag in gone]) == [b"1"] * len(gone)
        await ping(client, 2.0)


async def test_a_node_that_hangs_holds_nobody_else_up(mortal: ValkeyCluster) -> None:
    async with connect(mortal.url, timeout_s=0.3) as client:
        await client.batch([("INCR", tag) for tag in TAGS])
        lost = mortal.nodes[1]
        here = [tag for tag in TAGS if node_of(mortal, tag) is not lost]
        gone = [tag for tag in TAGS if node_of(mortal, tag) is lost]
        os.kill(lost.pid, signal.SIGSTOP)
        try:
            for attempt in range(3):
                with pytest.raises(StoreUnavailable, match="in time"):
                    await client.call("GET", gone[0])
                answers = await client.batch([("INCR", tag) for tag in here])
                assert answers == [attempt + 2] * len(here)
        finally:
            os.kill(lost.pid, signal.SIGCONT)
        assert await client.batch([("GET", tag) for tag in gone]) == [b"1"] * len(gone)


async def test_nodes_that_come_back_with_their_files_keep_the_epoch(mortal: ValkeyCluster) -> None:
    async with connect(mortal.url) as client:
        first = await settle(client, SHARDS)
        mortal.kill()
        await asyncio.to_thread(mortal.start)
        assert await settle(client, SHARDS) == first


@pytest.mark.parametrize("tag", ["{s00}", "{market}"])
async def test_a_node_that_comes_back_without_its_file_begins_a_new_epoch(
    tag: str, mortal: ValkeyCluster
) -> None:
    async with connect(mortal.url) as client:
        first = await settle(client, SHARDS)
        node = node_of(mortal, tag)
        node.kill()
        shutil.rmtree(node.data_dir / "appendonlydir")
        await asyncio.to_thread(mortal.start)
        second = await settle(client, SHARDS)
        assert second != first
        assert await settle(client, SHARDS) == second


@pytest.mark.parametrize(
    ("before", "after", "durable", "same"),
    [
        ("a:1 b:2", "a:1 b:2", 0, True),
        ("a:1 b:2", "a:1 b:3", 1, True),  # restarted, with its file
        ("a:1 b:2", "a:1 b:3", 0, False),
        ("a:1 b:2", "a:1 c:3", 1, False),  # a copy took over
        ("a:1 b:2", "a:1 b:2 c:3", 1, False),  # it cannot be told from a copy
        ("a:1 b:2", "a:1", 1, True),  # its slots were moved to the other
        (":1", ":2", 1, True),
        (":1", ":2", 0, False),
    ],
)
async def test_an_epoch_lasts_while_nothing_can_have_been_lost(
    before: str, after: str, durable: int, same: bool, client: Client
) -> None:
    async def settled(new: str, servers: str, broken: bytes = b"") -> Any:
        names = (keys.SHARD_COUNT, keys.EPOCH, keys.SERVERS, keys.BEGUN, keys.CLOCK, keys.FORMAT)
        script = load_script("settle_store")
        return (await client.run(script, names, (4, new, servers, durable, broken, 0, 1)))[1]

    assert await settled("one", before) == b"one"
    expected = b"one" if same else b"two"
    assert await settled("two", after) == expected
    assert await settled("three", after) == expected
    assert await settled("four", after, b"another") == expected
    assert await settled("five", after, expected) == b"five"


def _told(answer: str) -> str:
    return answer.split("\r\n")[1]
