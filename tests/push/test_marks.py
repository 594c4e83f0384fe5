"""The `marks` channel and the notices, fed as by the worker's market follower."""

import json

import pytest

from service.push import notices
from service.risk.quality import GOOD, STALE
from service.store.market_stream import MarketEntry, NewestMark
from tests.push.log_writer import LogWriter
from tests.push.stream import Client, Worker, until

pytestmark = pytest.mark.anyio


def mark(market_id: int, symbol: str, price: float) -> MarketEntry:
    payload = {"venue": "generic", "symbol": symbol, "markPrice": price}
    return MarketEntry(market_id, "m", 1_000 + market_id, json.dumps(payload).encode())


FINE = {"quality": "good", "allows": "liquidate"}


def quality(market_id: int, symbol: str, *, stale: bool) -> MarketEntry:
    words = {"quality": "stale", "allows": "call"} if stale else FINE
    payload = {"venue": "generic", "symbol": symbol} | words
    return MarketEntry(market_id, "q", 1_000 + market_id, json.dumps(payload).encode())


def newest(market_id: int, symbol: str, price: float, *, stale: bool = False) -> NewestMark:
    entry, verdict = mark(market_id, symbol, price), STALE if stale else GOOD
    return NewestMark("generic", symbol, market_id, entry.event_time_ms, verdict, entry.payload)


async def subscribe(client: Client, **more: object) -> None:
    await client.send(op="subscribe", id="m", channel="marks", **more)
    assert (await client.read("subscribed"))["channel"] == "marks"


async def test_marks_begin_with_the_newest_and_go_on_with_what_changes(worker: Worker) -> None:
    worker.hub.market_picture([newest(1, "A", 1.0), newest(2, "B", 2.0)])
    async with Client.open(worker.url) as client:
        await subscribe(client)
        first = await client.read("marks")
        assert {each["symbol"]: each["markPrice"] for each in first["marks"]} == {
            "A": 1.0,
            "B": 2.0,
        }
        worker.hub.market_entry(mark(3, "A", 1.5))
        (changed,) = (await client.read("marks"))["marks"]
        assert (changed["markPrice"], changed["marketId"], changed["eventTime"]) == (1.5, 3, 1_003)


async def test_a_mark_that_cannot_be_read_keeps_no_other_away(worker: Worker) -> None:
    nobodys = NewestMark("generic", "B", 2, 1_002, GOOD, b'{"symbol":"B","markPrice":2}')
    worker.hub.market_picture([newest(1, "A", 1.0), nobodys, newest(3, "C", 3.0)])
    async with Client.open(worker.url) as client:
        await subscribe(client)
        told = await client.read("marks")
        assert {each["symbol"] for each in told["marks"]} == {"A", "C"}


async def test_marks_are_conflated_and_filtered(worker: Worker) -> None:
    async with Client.open(worker.url) as client:
        await subscribe(client, symbols=["A"])
        await until(lambda: any(session.marks for session in worker.hub.sessions))
        for number in range(1, 1_001):
            worker.hub.market_entry(mark(2 * number, "A", float(number)))
            worker.hub.market_entry(mark(2 * number + 1, "B", float(number)))
        (only,) = (await client.read("marks"))["marks"]
        assert (only["symbol"], only["markPrice"]) == ("A", 1_000.0)
        await client.send(op="unsubscribe", id="m")
        await client.read("unsubscribed")
        worker.hub.market_entry(mark(3_000, "A", 7.0))
        await client.send(op="ping")
        await client.read("pong")


async def test_a_symbol_that_goes_stale_and_comes_back_is_told_once_each(worker: Worker) -> None:
    async with Client.open(worker.url) as client, Client.open(worker.url) as idle:
        await client.subscribe("*")
        await client.read("snapshot")
        heard = []
        for several in ((True, True), (False,)):
            for stale in several:
                worker.hub.market_entry(quality(1, "A", stale=stale))
            heard.append(await client.read("notice"))
        worker.hub.market_picture([newest(9, "A", 1.0, stale=True)])
        heard.append(await client.read("notice"))
        assert [each["notice"] for each in heard] == ["stale", "fresh", "stale"]
        assert {(each["venue"], each["symbol"]) for each in heard} == {("generic", "A")}
        await idle.send(op="ping")
        await idle.read("pong")


async def test_a_feed_that_ends_holds_no_alert_up(
    worker: Worker, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its symbols are told at a bounded rate; one that comes back before is not told at all."""
    monkeypatch.setattr(notices, "FRAMES_PER_S", 20)
    async with Client.open(worker.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        for number in range(200):
            worker.hub.market_entry(quality(1, f"S{number}", stale=True))
        assert (await client.read("notice"))["symbol"] == "S0"
        await writer.write(["a1"])
        told = 0
        while (frame := await client.read())["type"] != "alerts":
            told += 1
        assert frame["alerts"][0]["accountId"] == "a1"
        assert told < 100
        for number in range(10, 200):
            worker.hub.market_entry(quality(2, f"S{number}", stale=False))
        monkeypatch.setattr(notices, "FRAMES_PER_S", 20_000)
        worker.hub.market_entry(quality(3, "last", stale=True))
        symbols: list[str] = []
        while not symbols or symbols[-1] != "last":
            symbols.append((await client.read("notice"))["symbol"])
        assert "S199" not in symbols
        assert len(set(symbols)) < 100
