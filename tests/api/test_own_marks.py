"""Marks made here: posted spot prices and a book in, an index and a mark out, however many workers;
and an instrument's own rule of marks, from the call that sets it to the answers that show it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from service.api.own_marks import OwnMarket, OwnMarks
from service.risk.mark_rule import OwnMark
from service.risk.model import Instrument, Mark, Tier
from service.store.client import connect
from service.store.market_stream import Gate, MarketStream, NewMark
from tests.api.workers import account, errors_of, instrument, long, open_worker, settings_of

pytestmark = pytest.mark.anyio

BTC = "BTC/USDT:USDT"
SPOT = ("coinbase", "gemini", "kraken")
OWN = {"sources": dict.fromkeys(SPOT, 1.0)}
TERMS = OwnMark(tuple((source, 1.0) for source in SPOT))


def spot(price: float, *sources: str) -> list[dict[str, Any]]:
    return [{"symbol": BTC, "markPrice": price, "source": source} for source in sources]


async def post(worker: httpx.AsyncClient, marks: list[dict[str, Any]]) -> dict[str, Any]:
    response = await worker.post("/v1/marks", json={"marks": marks})
    answer: dict[str, Any] = response.json()
    return answer


async def shown(
    worker: httpx.AsyncClient, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Poll until there is a mark of which that is true."""
    async with asyncio.timeout(10.0):
        while True:
            marks = (await worker.get("/v1/marks")).json()["marks"]
            if marks and holds(marks[0]):
                return dict(marks[0])
            await asyncio.sleep(0.01)


async def test_a_mark_is_made_of_spot_sources_and_the_book(redis_url: str) -> None:
    settings = settings_of(redis_url)
    async with open_worker(settings) as worker, open_worker(settings) as other:
        assert (await worker.put("/v1/instruments", json=[instrument(ownMark=OWN)])).is_success
        book = {"symbol": BTC, "markPrice": 1, "lastPrice": 61_000, "fundingRate": 0.0}
        assert (await post(worker, [book]))["accepted"] == 1
        assert (await post(other, spot(60_000, "coinbase")))["accepted"] == 1
        await post(worker, spot(60_100, "gemini") + spot(6_000, "kraken"))
        made = await shown(other, lambda mark: mark["indexPrice"] == 60_050)
        assert (made["source"], made["lastPrice"], made["quality"]) == ("own", 61_000, "good")
        assert 60_050 <= made["markPrice"] <= 61_000
        body = {"accounts": [account(long(), id="a")]}
        for basis, price in (("index", 60_050), ("last", 61_000), ("mark", made["markPrice"])):
            response = await worker.post("/v1/evaluate", json=body | {"priceBasis": basis})
            [position] = response.json()["accounts"][0]["positions"]
            assert position["markPrice"] == pytest.approx(price), basis


async def test_of_three_venues_marks_it_is_the_median_and_accounts_of_all_venues_have_it(
    redis_url: str,
) -> None:
    """Nobody posts a book, so the mark is the index; the symbol is generic's."""
    sources = dict.fromkeys(("binance", "bybit", "okx"), 1.0)
    terms = instrument(ownMark={"sources": sources, "sourcesMin": 3})
    async with open_worker(settings_of(redis_url)) as worker:
        assert (await worker.put("/v1/instruments", json=[terms])).is_success
        said = spot(60_000, "binance") + spot(60_300, "okx")
        for _ in range(3):
            await post(worker, said)
        assert (await worker.get("/v1/marks")).json()["marks"] == []
        said += spot(60_100, "bybit")
        async with asyncio.timeout(10.0):  # a store that begins leaps its ids, and some are lost
            while not (marks := (await worker.get("/v1/marks")).json()["marks"]):
                await post(worker, said)
        [made] = marks
        assert (made["markPrice"], made["source"], made["quality"]) == (60_100, "own", "good")
        await post(worker, spot(30_000, "bybit"))  # a wick of one of them
        made = await shown(worker, lambda mark: mark["markPrice"] != 60_100)
        assert 60_000 <= made["markPrice"] <= 60_300
        body = {"accounts": [account(long(), id="a", venue="okx")]}
        response = await worker.post("/v1/evaluate", json=body)
        [position] = response.json()["accounts"][0]["positions"]
        assert position["markPrice"] == made["markPrice"]


async def test_the_services_source_is_nobody_elses(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url)) as worker:
        await worker.put("/v1/instruments", json=[instrument(ownMark=OWN)])
        refused = (await post(worker, spot(60_000, "own")))["results"][0]["errors"][0]
        assert refused["code"] == "reserved_source"
        assert (await worker.get("/v1/marks")).json()["marks"] == []
        await worker.put("/v1/instruments", json=[instrument()])
        await post(worker, spot(60_000, "own"))
        mark = await shown(worker, lambda mark: bool(mark["markPrice"]))
        assert "refused" not in mark, "what nobody has a mark of is counted for nobody"


async def test_a_batch_that_knows_less_than_one_before_is_not_taken(redis_url: str) -> None:
    async with connect(redis_url) as client:
        market = MarketStream(client, Gate("source"))
        own = {"symbol": BTC, "ownMark": OWN}
        await market.append_instruments([("generic", BTC, orjson.dumps(own))])
        tier = Tier(0.0, float("inf"), 0.01)
        listed = Instrument(BTC, True, 1.0, "BTC", "USDT", "USDT", (tier,), own_mark=TERMS)
        slow, quick = OwnMarks(market), OwnMarks(market)
        for each in (slow, quick):
            each.list(listed)
        for number, source in enumerate(SPOT):
            payload = orjson.dumps({"symbol": BTC, "markPrice": 100.0 + number, "source": source})
            [market_id] = await market.append_marks(
                [NewMark("generic", BTC, payload, 1_000, source, 100.0 + number)]
            )
            assert isinstance(market_id, int)
            mark = Mark(BTC, 100.0 + number, source=source)
            quick.observe(mark, market_id, 1_000)
            if number < 2:
                slow.observe(mark, market_id, 1_000)
        await quick.write()
        await slow.write()
        kinds = [(entry.kind, entry.market_id) for entry in await market.read(0)]
        assert [kind for kind, _ in kinds] == ["i", "o", "o", "o", "m"]
        [newest] = await market.newest()
        assert orjson.loads(newest.payload)["indexPrice"] == 101.0


def test_funding_still_to_come_moves_the_first_price() -> None:
    market = OwnMarket("generic", BTC, OwnMark((("a", 1.0),), sources_min=1, divergence_max=1.0))
    hour_ms = 3_600_000
    market.observe(Mark(BTC, 100.0, source="a"), 6 * hour_ms)
    market.observe(Mark(BTC, 300.0, funding_rate=0.04, funding_interval_h=8.0), 6 * hour_ms)
    made = market.mark(6 * hour_ms)
    assert made is not None
    assert made.mark_price == pytest.approx(200.0), "within its distance of the index"
    low = OwnMarket("generic", BTC, OwnMark((("a", 1.0),), sources_min=1, divergence_max=1.0))
    low.observe(Mark(BTC, 100.0, source="a"), 6 * hour_ms)
    low.observe(Mark(BTC, 100.5, funding_rate=0.04, funding_interval_h=8.0), 6 * hour_ms)
    made = low.mark(6 * hour_ms)
    assert made is not None
    assert made.mark_price == pytest.approx(100.5), "1: 101 with a quarter of 4 %, 2 and 3: 100.5"


async def test_an_instruments_rule_is_kept_shown_and_obeyed(worker: httpx.AsyncClient) -> None:
    rule = {"band": 0.1, "confirmS": 5, "allows": {"suspect": "warn"}}
    assert (await worker.put("/v1/instruments", json=[instrument(markRule=rule)])).is_success
    [listed] = (await worker.get("/v1/instruments")).json()["instruments"]
    assert listed["markRule"] == rule
    first = {"symbol": BTC, "markPrice": 60_000}
    for _ in range(2):
        await post(worker, [first])
    held = await post(worker, [first | {"markPrice": 30_000}, first | {"markPrice": "NaN"}])
    assert {result["errors"][0]["code"] for result in held["results"]} >= {"beyond_band"}
    # A refused mark is nothing that its writer waits for: the quality comes by the stream.
    mark = await shown(worker, lambda mark: mark["quality"] != "good")
    assert (mark["markPrice"], mark["quality"], mark["allows"]) == (60_000, "suspect", "warn")
    assert mark["refused"] == {"beyond_band": 1}
    body = {"accounts": [account(long(entryPrice=120_000), id="a")]}
    [judged] = (await worker.post("/v1/evaluate", json=body)).json()["accounts"]
    assert (judged["level"], judged["quality"], judged["stale"]) == ("WARNING", "suspect", False)
    assert judged["pools"][0]["quality"] == judged["positions"][0]["quality"] == "suspect"
    metrics = (await worker.get("/metrics")).text
    for line in (
        'plimsoll_marks_refused_total{reason="beyond_band"} 1.0',
        'plimsoll_marks_refused_total{reason="unconfirmed"} 1.0',
        'plimsoll_marks_quality{quality="suspect"} 1.0',
        'plimsoll_marks_quality{quality="good"} 0.0',
    ):
        assert line in metrics, metrics
    assert 'plimsoll_marks_refused_total{reason="' in metrics


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"markRule": {"band": 1.5}}, "/0/markRule/band"),
        ({"markRule": {"allows": {"stale": "liquidate"}}}, "/0/markRule/allows/stale"),
        ({"markRule": {"warmupMarks": 0}}, "/0/markRule/warmupMarks"),
        ({"ownMark": {"sources": {}}}, "/0/ownMark/sources"),
        ({"ownMark": {"sources": {"a": 0}}}, "/0/ownMark/sources"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused(
    worker: httpx.AsyncClient, more: dict[str, Any], pointer: str
) -> None:
    response = await worker.put("/v1/instruments", json=[instrument(**more)])
    assert response.status_code == 422
    assert [where for where, _ in errors_of(response)] == [pointer]
