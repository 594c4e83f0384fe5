"""The `risk` channel: the latest state of each account, whatever changed it, and nobody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from service.api.answers import answer_accounts
from service.api.weaving import each
from service.contract.accounts import decode_document, encode_document
from service.contract.evaluation import AccountAnswer
from service.contract.instruments import decode_instrument, encode_instrument
from service.contract.results import RiskAnswer
from service.contract.stated import state
from service.contract.states import LISTED_MAX, encode_update
from service.push.admission import AdmissionRules
from service.push.conflated import Conflated
from service.push.connection import StreamLimits
from service.push.outbox import Outbox
from service.push.risk import EVERY_S
from service.risk.markets import MarketTable
from service.store import keys
from service.store.market_stream import NewMark
from tests.api.workers import account, long, one_tier
from tests.push.log_writer import LogWriter
from tests.push.stream import QUICK, SHARDS, Client, Frame, Worker, open_worker, until

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    async with open_worker(redis_url, follow=True) as opened:
        await prepare(opened)
        yield opened


async def prepare(worker: Worker) -> None:
    terms = [one_tier(BTC, base="BTC"), one_tier(ETH, base="ETH")]
    listed = [decode_instrument(json.dumps(row).encode()) for row in terms]
    await worker.market.append_instruments(
        [(one.venue, one.symbol, encode_instrument(one)) for one in listed]
    )
    await mark(worker, BTC, 60_000)
    await mark(worker, ETH, 3_000)
    await worker.follower.catch_up(10.0)


async def mark(worker: Worker, symbol: str, price: float) -> None:
    payload = {"venue": "generic", "symbol": symbol, "markPrice": price}
    new = NewMark("generic", symbol, json.dumps(payload).encode())
    assert isinstance((await worker.market.append_marks([new]))[0], int)


async def put(worker: Worker, name: str, document: Any, tenant: str = "default") -> int:
    stored = encode_document(decode_document(json.dumps(document).encode()))
    return await worker.accounts.put(f"{tenant}/{name}", stored)


async def watch(client: Client, *names: str, **more: object) -> None:
    await client.send(op="subscribe", id="r", channel="risk", accounts=names, **more)
    frame = await client.read("subscribed")
    assert (frame["channel"], frame["recovered"], frame["cursor"]) == ("risk", False, None)


async def states(client: Client) -> dict[str, Any]:
    """The next frame's states by account."""
    while (frame := await client.read())["type"] == "notice":
        pass  # on a slow machine a mark may grow stale meanwhile
    assert frame["type"] == "risk"
    found = {update["accountId"]: update["risk"] for update in frame["accounts"]}
    assert len(found) == len(frame["accounts"])
    return found


async def test_it_begins_with_all_and_goes_on_with_what_a_mark_moves(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    await put(worker, "a2", account(long(ETH, entryPrice=3_000)))
    async with Client.open(worker.url) as client:
        await watch(client, "a1", "a2", "a3")
        first = await states(client)
        assert first["a3"] is None
        assert (first["a1"]["level"], first["a1"]["equity"]) == ("HEALTHY", 10_000)
        assert (first["a1"]["version"], first["a1"]["monitored"]) == (1, [])
        await mark(worker, BTC, 59_000)
        second = await states(client)
        assert second.keys() == {"a1"}
        assert second["a1"]["equity"] == 9_000
        (position,) = second["a1"]["positions"]
        assert position["markPrice"] == 59_000


async def test_an_account_that_is_written_deleted_or_made_is_told(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    async with Client.open(worker.url) as client:
        await watch(client, "a1", "new")
        assert (await states(client))["new"] is None
        await put(worker, "a1", account(long(BTC), usdt=500))
        assert (await states(client))["a1"]["equity"] == 500
        await worker.accounts.delete("default/a1")
        assert await states(client) == {"a1": None}
        await put(worker, "new", account(usdt=7))
        assert (await states(client))["new"]["equity"] == 7


async def test_a_change_of_one_account_of_a_shard_is_told_alone(worker: Worker) -> None:
    names = [name for name in (f"n{number}" for number in range(40)) if shard_of(name) == 0][:2]
    for name in names:
        await put(worker, name, account(usdt=1))
    async with Client.open(worker.url) as client:
        await watch(client, *names)
        assert (await states(client)).keys() == set(names)
        for usdt in (2, 3):
            await put(worker, names[0], account(usdt=usdt))
            found = await states(client)
            assert {name: state["equity"] for name, state in found.items()} == {names[0]: usdt}


def shard_of(name: str) -> int:
    return keys.shard_of(f"default/{name}", SHARDS)


async def test_the_levels_are_the_monitors(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    writer = LogWriter(worker.log, SHARDS)
    await writer.write(["a1"], "WARNING")
    async with Client.open(worker.url) as client:
        await watch(client, "a1")
        ((pool,),) = [one["monitored"] for one in (await states(client)).values()]
        assert (pool["level"], pool["seq"]) == ("WARNING", 1)
        await writer.write(["a1"], "LIQUIDATION")
        ((pool,),) = [one["monitored"] for one in (await states(client)).values()]
        assert (pool["level"], pool["seq"]) == ("LIQUIDATION", 2)


async def test_levels_that_come_after_their_alert_are_waited_for(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    writer = LogWriter(worker.log, SHARDS)
    async with Client.open(worker.url) as client:
        await watch(client, "a1")
        await states(client)
        await writer.write(["a1"], "WARNING", levels=False)
        assert (await states(client))["a1"]["monitored"] == []
        await writer.settle("a1", "WARNING")  # nothing says that: it is looked for
        monitored: list[Any] = []
        while not monitored:
            monitored = (await states(client))["a1"]["monitored"]
        assert [(pool["level"], pool["seq"]) for pool in monitored] == [("WARNING", 1)]


async def test_an_account_is_told_of_once_a_second_with_the_latest(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    async with Client.open(worker.url) as client:
        await watch(client, "a1")
        await states(client)
        loop = asyncio.get_running_loop()
        began, frames, price, equity = loop.time(), 0, 60_000, 0
        while loop.time() - began < 2.5 * EVERY_S:
            price -= 1
            await mark(worker, BTC, price)
        while equity != price - 50_000:
            equity = (await states(client))["a1"]["equity"]
            frames += 1
        assert frames <= (loop.time() - began) / EVERY_S + 1.0
        assert 60_000 - price > 10 * frames


async def test_a_client_that_does_not_read_gets_fewer_and_the_latest() -> None:
    outbox = Outbox(200)
    slow = Conflated("1", "risk", "accounts", outbox)
    running = asyncio.create_task(slow.run(10_000))
    outbox.offer("x" * 190)  # what it has not read
    for number in range(10_000):
        slow.take("a", f"{number}")
        slow.take("b", f"{-number}")
        if number % 1_000 == 0:
            await asyncio.sleep(0)
    assert outbox.size <= 200
    assert await outbox.take() == "x" * 190
    async with asyncio.timeout(5.0):
        seen: list[int] = []
        while seen[-1:] != [9_999]:
            frame: Frame = json.loads(await outbox.take() or "")
            assert len(frame["accounts"]) == 2
            seen.append(frame["accounts"][0])
    assert len(seen) <= 2
    running.cancel()


async def test_nobody_sees_anothers_account(redis_url: str) -> None:
    async with open_worker(redis_url, rules=AdmissionRules(), follow=True) as worker:
        await prepare(worker)
        await put(worker, "a1", account(usdt=1), "desk-a")
        await put(worker, "a1", account(usdt=2), "desk-b")
        await put(worker, "a2", account(usdt=3), "desk-b")
        _, token = await worker.keys.create("bot", "desk-a", ("accounts:read",), 0, None)
        async with Client.open(worker.url, headers={"Authorization": f"Bearer {token}"}) as client:
            await watch(client, "a1", "a2")
            found = await states(client)
            assert (found["a1"]["equity"], found["a2"]) == (1, None)
        _, token = await worker.keys.create("bot", "desk-a", ("alerts:read",), 0, None)
        async with Client.open(worker.url, headers={"Authorization": f"Bearer {token}"}) as client:
            await client.send(op="subscribe", id="r", channel="risk", accounts=["a1"])
            assert (await client.read("error"))["code"] == "missing_scope"


async def test_what_nobody_watches_is_forgotten(worker: Worker) -> None:
    await put(worker, "a1", account(long(BTC)))
    board = worker.hub._risks
    async with Client.open(worker.url) as client, Client.open(worker.url) as other:
        for each in (client, other):
            await watch(each, "a1")
            await states(each)
        await client.send(op="unsubscribe", id="r")
        await client.read("unsubscribed")
        assert board.watching
        await mark(worker, BTC, 59_000)
        assert (await states(other))["a1"]["equity"] == 9_000
        await client.send(op="ping")
        await client.read("pong")
    await until(lambda: not worker.hub.sessions)
    assert not board.watching
    assert not board._by_symbol
    assert not board._stirred


async def test_accounts_of_a_subscription_are_limited(redis_url: str) -> None:
    limits = StreamLimits(risk_accounts_max=2)
    async with open_worker(redis_url, limits) as worker, Client.open(worker.url) as client:
        await client.send(op="subscribe", id="r", channel="risk", accounts=["a", "b", "c"])
        assert (await client.read("error"))["code"] == "too_many_accounts"
        await watch(client, "a", "b")
        assert await states(client) == {"a": None, "b": None}


async def test_many_accounts_are_split_into_frames(redis_url: str) -> None:
    limits = StreamLimits(heartbeat_s=QUICK.heartbeat_s, frame_bytes=8_192)
    async with open_worker(redis_url, limits, follow=True) as worker:
        await prepare(worker)
        names = [f"a{number}" for number in range(60)]
        for name in names:
            await put(worker, name, account(long(BTC)))
        async with Client.open(worker.url) as client:
            await watch(client, *names)
            seen: set[str] = set()
            while seen != set(names):
                seen |= (await states(client)).keys()
            assert client.largest <= 8_192


def test_an_account_too_large_for_a_frame_is_told_by_its_worst() -> None:
    answer = large_answer(400)
    whole = json.loads(encode_update("a", answer, 10**7))
    assert (len(whole["risk"]["positions"]), whole.get("omitted", 0)) == (400, 0)
    room = 256 * 1_024 - 512
    text = encode_update("a", answer, room)
    short = json.loads(text)
    assert len(text.encode()) <= room
    kept = [row["distancePct"] for row in short["risk"]["positions"]]
    assert kept == sorted(row["distancePct"] for row in whole["risk"]["positions"])[:LISTED_MAX]
    lists = len(whole["risk"]["positions"]) + len(whole["risk"]["pools"])
    told = len(short["risk"]["positions"]) + len(short["risk"]["pools"])
    assert short["omitted"] == lists - told > 0
    assert short["risk"]["equity"] == whole["risk"]["equity"]


def large_answer(positions: int) -> RiskAnswer:
    """One account with so many isolated positions, as the service answers it."""
    table = MarketTable()
    rows = []
    for number in range(positions):
        symbol = f"C{number}/USDT:USDT"
        terms = decode_instrument(json.dumps(one_tier(symbol, base=f"C{number}")).encode())
        table.put_instrument(terms)
        entry = 100.0 + number % 7
        rows.append(
            long(symbol, entryPrice=entry, markPrice=100.0, marginMode="isolated", leverage=10)
        )
    document = decode_document(json.dumps(account(*rows)).encode())
    text = answer_accounts(each(["a"]), state([document]).statements, table, 0).texts.text(0)
    found = msgspec.json.decode(text, type=AccountAnswer)
    return RiskAnswer(**msgspec.structs.asdict(found), timestamp=0, version=1, monitored=[])
