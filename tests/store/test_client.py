"""The door to Redis: failures have one name, nothing is sent twice, no answer is mixed up."""

import asyncio
import hashlib

import pytest

from service.errors import StoreUnavailable
from service.store.client import connect, connect_blocking
from service.store.commands import Script, ScriptCall
from service.store.health import ping
from tests.cutting_proxy import proxied
from tests.store.stores import Store, blocked
from tests.valkey_cluster import AnyServer

pytestmark = pytest.mark.anyio

TEXT = "return ARGV[1]"
HELLO = ("EVAL", TEXT, 1, "{t}:key")  # always by the same node
ECHO = Script("echo", TEXT, hashlib.sha1(TEXT.encode()).hexdigest())


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with connect("redis://127.0.0.1:1") as client:
        with pytest.raises(StoreUnavailable):
            await client.call("PING")
        with pytest.raises(StoreUnavailable):
            await client.batch([("PING",)])
        with pytest.raises(StoreUnavailable):
            await anext(client.listen("channel"))


async def test_a_refusal_of_the_server_is_unavailable_too(store: Store) -> None:
    await store.client.call("SET", "{t}:text", "a")
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        await store.client.call("HGET", "{t}:text", "field")


async def test_a_write_whose_answer_was_lost_is_not_sent_again(shared_server: AnyServer) -> None:
    shared_server.flush()
    async with proxied(shared_server) as proxy, connect(proxy.url) as client:
        assert await client.call("GET", "count") is None  # whose node is connected to now
        proxy.lose_after = 0
        with pytest.raises(StoreUnavailable):
            await client.call("INCR", "count")
        assert await client.call("GET", "count") == b"1"


async def test_an_answer_that_comes_too_late_is_nobodys(shared_server: AnyServer) -> None:
    async with (
        proxied(shared_server) as proxy,
        connect(proxy.url, timeout_s=0.2, connections=1) as client,
    ):
        assert await client.call(*HELLO, "first") == b"first"
        proxy.hold.clear()
        with pytest.raises(StoreUnavailable):
            await client.call(*HELLO, "late")
        proxy.hold.set()
        assert await client.call(*HELLO, "second") == b"second"


async def test_a_cancelled_call_leaves_no_answer_behind(store: Store) -> None:
    async with connect_blocking(store.url, connections=1) as client:
        for number in range(20):
            waiting = asyncio.create_task(client.call("BLPOP", "{t}:list", 5))
            while not await blocked(store):
                pass
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await store.client.call("RPUSH", "{t}:list", "late")
            await store.client.call("DEL", "{t}:list")
            text = str(number)
            assert await asyncio.wait_for(client.call(*HELLO, text), 5.0) == text.encode()


async def test_cancelled_batches_leave_no_answers_behind(shared_server: AnyServer) -> None:
    async with (
        proxied(shared_server) as proxy,
        connect(proxy.url, connections=1) as client,
    ):
        for number in range(20):
            proxy.hold.clear()
            waiting = asyncio.create_task(client.batch([(*HELLO, "late")] * 3))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            proxy.hold.set()
            assert await client.batch([(*HELLO, "mine")]) == [b"mine"]


async def test_calls_beyond_the_pool_wait_for_one_another(shared_server: AnyServer) -> None:
    async with connect(shared_server.url, connections=2) as client:
        answers = await asyncio.gather(*(client.call(*HELLO, number) for number in range(50)))
    assert answers == [str(number).encode() for number in range(50)]


async def test_a_forgotten_script_is_sent_again(store: Store) -> None:
    assert await store.client.run(ECHO, ("{t}:key",), ("a",)) == b"a"
    await store.client.call_everywhere("SCRIPT", "FLUSH")
    assert await store.client.run(ECHO, ("{t}:key",), ("a",)) == b"a"


async def test_a_batch_needs_no_script_to_be_known(store: Store) -> None:
    for atomic in (False, True):
        await store.client.call_everywhere("SCRIPT", "FLUSH")
        commands = [ScriptCall(ECHO, ("{t}:key",), (number,)) for number in range(3)]
        assert await store.client.batch(commands, atomic=atomic) == [b"0", b"1", b"2"]


async def test_a_ping_measures_and_gives_up(shared_server: AnyServer) -> None:
    async with proxied(shared_server) as proxy, connect(proxy.url) as client:
        assert 0.0 < await ping(client, 5.0) < 5.0
        proxy.hold.clear()
        with pytest.raises(StoreUnavailable):
            await ping(client, 0.05)


async def test_a_client_comes_back_when_the_server_does(valkey: AnyServer) -> None:
    async with connect(valkey.url) as client:
        await client.call("SET", "a", 1)
        valkey.kill()
        with pytest.raises(StoreUnavailable):
            await client.call("SET", "a", 2)
        valkey.start()
        assert await client.call("GET", "a") == b"1"
