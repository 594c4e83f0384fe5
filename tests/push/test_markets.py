"""The `markets` channel, and the notices of markets that leave a band, over a market stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest

from service.contract.examples import MARKET
from service.contract.markets import MarketView
from service.contract.marks import encode_mark
from service.push import markets as module
from service.push.markets import MarketBoard, MarketSubscription
from service.push.outbox import Outbox
from service.push.symbol_choice import SymbolChoice
from service.risk.conditions import Condition, Crossing
from service.risk.model import Mark
from service.risk.reports import Key
from service.store.market_stream import NewMark
from tests.push.stream import Client, Frame, Worker, open_worker, until

pytestmark = pytest.mark.anyio

BTC, BTC_COIN, ETH = "BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USDT:USDT"


@pytest.fixture
async def following(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """A worker that follows the market stream and knows how its markets are."""
    monkeypatch.setattr(module, "EVERY_S", 0.2)
    async with open_worker(redis_url, follow=True) as worker:
        await until(lambda: worker.moves.live and worker.follower.ready)
        yield worker


async def post(worker: Worker, symbol: str, price: float, **more: Any) -> None:
    mark = Mark(symbol, price, **more)
    [taken] = await worker.market.append_marks([NewMark("generic", symbol, encode_mark(mark))])
    assert isinstance(taken, int)
    assert await worker.follower.reached(taken, 10.0)


async def subscribe(client: Client, **more: object) -> None:
    await client.send(op="subscribe", id="m", channel="markets", **more)
    subscribed = await client.read("subscribed")
    assert (subscribed["channel"], subscribed["cursor"]) == ("markets", None)


async def shown(client: Client, **wanted: Any) -> dict[str, Any]:
    """Read until a market has these figures; return it."""
    while True:
        frame = await client.read("markets")
        assert frame["id"] == "m"
        for market in frame["markets"]:
            if wanted.items() <= market.items():
                return dict(market)


async def test_markets_begin_with_all_and_go_on_with_what_changes(following: Worker) -> None:
    await post(following, BTC, 100.0, open_interest=7.5, day_volume=0.0)
    await post(following, ETH, 10.0, open_interest=7.5)
    async with Client.open(following.url) as client, Client.open(following.url) as later:
        await subscribe(client)
        first = {each["symbol"]: each for each in (await client.read("markets"))["markets"]}
        assert first.keys() == {BTC, ETH}
        assert first[BTC]["activity"] == {"openInterest": 7.5, "dayVolume": 0.0, "reason": None}
        reason = {"openInterest": 7.5, "dayVolume": None, "reason": "not_given"}
        assert first[ETH]["activity"] == reason
        await post(following, BTC, 98.0)
        [changed] = (await client.read("markets"))["markets"]
        assert (changed["symbol"], changed["markPrice"]) == (BTC, 98.0)
        assert changed["day"]["drawdown"] == pytest.approx(0.02)
        assert changed["activity"]["openInterest"] is None
        await subscribe(later)
        assert {each["symbol"] for each in (await later.read("markets"))["markets"]} == {BTC, ETH}


async def test_symbols_are_named_or_begin_so(following: Worker) -> None:
    async with Client.open(following.url) as client:
        await subscribe(client, symbols=["BTC/*", "SOL/USDT:USDT"])
        for symbol in (ETH, BTC, BTC_COIN, "BTCDOM/USDT:USDT"):
            await post(following, symbol, 5.0)
        seen: set[str] = set()
        while len(seen) < 2:
            seen |= {each["symbol"] for each in (await client.read("markets"))["markets"]}
        await post(following, "SOL/USDT:USDT", 5.0)
        await shown(client, symbol="SOL/USDT:USDT")
        assert seen == {BTC, BTC_COIN}


async def test_the_latest_wins_and_no_market_comes_more_often_than_it_may(
    following: Worker,
) -> None:
    async with Client.open(following.url) as client:
        await subscribe(client)
        began = asyncio.get_running_loop().time()
        for step in range(100):
            await post(following, BTC, 100.0 + step)
        frames = 0
        while True:
            frames += 1
            [market] = (await client.read("markets"))["markets"]
            if market["markPrice"] == 199.0:
                break
        took_s = asyncio.get_running_loop().time() - began
        assert frames <= took_s / module.EVERY_S + 1.0
        assert frames < 50
        await client.send(op="unsubscribe", id="m")
        await client.read("unsubscribed")
        await post(following, BTC, 7.0)
        await client.send(op="ping")
        await client.read("pong")
        assert list(following.hub.markets) == []


async def test_a_crossing_is_told_once_to_all_who_listen_and_its_return_once(
    following: Worker,
) -> None:
    async with Client.open(following.url) as client, Client.open(following.url) as idle:
        await client.subscribe("*")
        await client.read("snapshot")
        prices = (102.0, 102.1, 103.0, 101.7, 98.3, 101.6, 101.9)  # band 2 %, back at 1.6 %
        for price in prices:
            await post(following, BTC, price, index_price=100.0)
            if price == 102.1:
                left = await client.read("notice")
        back = await client.read("notice")
        await client.send(op="ping")
        await client.read("pong")
        assert [left["notice"], back["notice"]] == ["outside", "inside"]
        for notice, value in ((left, 0.021), (back, 0.016)):
            assert notice["value"] == pytest.approx(value)
            assert (notice["venue"], notice["symbol"]) == ("generic", BTC)
            assert (notice["condition"], notice["limit"]) == ("diverged", 0.02)
        assert left["eventTime"] < back["eventTime"]
        await idle.send(op="ping")
        await idle.read("pong")


async def test_who_catches_up_tells_what_it_missed_and_nothing_again(following: Worker) -> None:
    """What was outside before is no crossing; one that happened meanwhile is."""
    async with Client.open(following.url) as client:
        await client.subscribe("*")
        await client.read("snapshot")
        await post(following, BTC, 103.0, index_price=100.0)
        assert (await client.read("notice"))["symbol"] == BTC
        following.moves.lose()
        await post(following, ETH, 110.0, index_price=100.0)
        await until(lambda: following.moves.live)
        assert (await client.read("notice"))["symbol"] == ETH
        await post(following, BTC, 100.0, index_price=100.0)
        frame: Frame = await client.read("notice")
        assert (frame["notice"], frame["symbol"], frame["value"]) == ("inside", BTC, 0.0)


class Told:
    """Markets that are told about, and how often they were looked up."""

    def __init__(self, *symbols: str) -> None:
        self.known: dict[Key, int] = {("binance", symbol): 1 for symbol in symbols}
        self.looks: list[Key] = []

    def judge(self) -> None:
        """Nothing waits."""

    def states(self) -> dict[Key, int]:
        return dict(self.known)

    def views(self, keys: Sequence[Key]) -> Iterable[MarketView]:
        self.looks += keys
        for venue, symbol in keys:
            if (venue, symbol) in self.known:
                yield MarketView(**{**_fields(MARKET), "venue": venue, "symbol": symbol})


def _fields(view: MarketView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__struct_fields__}


async def test_nobody_looks_up_what_nobody_listens_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.001)
    markets = Told(BTC, ETH)
    board = MarketBoard(markets, lambda _: None)
    running = asyncio.create_task(board.run())
    await asyncio.sleep(0.02)
    assert markets.looks == []
    first, second = (
        MarketSubscription(name, SymbolChoice(symbols), Outbox(1_000_000))
        for name, symbols in (("1", [BTC]), ("2", None))
    )
    board.add(first)
    await until(lambda: markets.looks == [("binance", BTC)])
    board.add(second)
    await until(lambda: len(markets.looks) == 2)
    board.remove(second)
    markets.known["binance", ETH] = 2
    markets.known["binance", BTC] = 2
    await until(lambda: len(markets.looks) == 3)
    board.add(second)
    await until(lambda: len(markets.looks) == 4)
    assert markets.looks[1:] == [("binance", ETH), ("binance", BTC), ("binance", ETH)]
    running.cancel()


@pytest.mark.parametrize(
    ("wanted", "beginnings", "taken"),
    [
        (None, 1, {BTC, BTC_COIN, ETH}),
        (["*"], 1, {BTC, BTC_COIN, ETH}),
        ([BTC], 0, {BTC}),
        (["BTC/USDT:USD"], 0, set()),
        (["BTC/USD*"], 1, {BTC, BTC_COIN}),
        (["BTC/USD:*", ETH], 1, {BTC_COIN, ETH}),
    ],
)
def test_a_choice_of_symbols(wanted: list[str] | None, beginnings: int, taken: set[str]) -> None:
    choice = SymbolChoice(wanted)
    assert choice.beginnings == beginnings
    assert {symbol for symbol in (BTC, BTC_COIN, ETH) if symbol in choice} == taken


def crossing(symbol: str, *, outside: bool, value: float | None = 1.0) -> Crossing:
    return Crossing("binance", symbol, Condition.VOLATILE, outside, value, 4.0, 1_000)


def test_what_stood_outside_at_first_is_known_and_not_told() -> None:
    told: list[Crossing] = []
    board = MarketBoard(Told(), told.append)
    board.crossed(crossing(BTC, outside=True))  # before it is known how markets stand
    board.settled([crossing(BTC, outside=True), crossing(ETH, outside=False)])
    board.crossed(crossing(BTC, outside=True))
    assert told == []
    expected = [crossing(ETH, outside=True), crossing(BTC, outside=False, value=None)]
    board.settled(expected)
    board.settled(expected)
    assert told == expected
