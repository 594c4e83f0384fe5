"""ccxt's errors by name, without secrets; snapshots that are torn or cut short; the clock."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from service.sync.exchange import Exchange, VenueTrouble, without_secrets
from tests.sync.mock_rest import MockRest, fixture, serving
from tests.sync.objects import synced

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")
pytestmark = pytest.mark.anyio


@pytest.fixture
def venue() -> Iterator[MockRest]:
    with serving(fixture("binanceusdm")["answers"]) as running:
        yield running


def opened(venue: MockRest, name: str = "binanceusdm") -> Exchange:
    exchange = Exchange(synced(name, venue.url))
    exchange.ccxt.enableRateLimit = False
    return exchange


RISK = "/fapi/v3/positionRisk"


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "throttled"), (418, "throttled"), (401, "refused"), (503, "away")]
)
async def test_a_refusal_has_a_name_and_no_secret(venue: MockRest, status: int, kind: str) -> None:
    venue.refuse[RISK] = status
    async with opened(venue) as exchange:
        with pytest.raises(VenueTrouble) as trouble:
            await exchange.snapshot()
    assert trouble.value.kind == kind
    assert "signature=" not in trouble.value.detail


def test_secrets_and_signatures_are_taken_out_of_a_venues_words() -> None:
    keys = {"apiKey": "k3y-of-mine", "secret": "s3cret"}
    signature = "9f" * 32
    text = f"k3y-of-mine said {signature} and QUJD{'x' * 40}= with s3cret at /fapi/v3/account"
    assert without_secrets(text, keys) == "*** said *** and *** with *** at /fapi/v3/account"


async def test_a_venue_that_is_not_there_is_away() -> None:
    async with Exchange(synced("binanceusdm", "http://127.0.0.1:1")) as exchange:
        with pytest.raises(VenueTrouble) as trouble:
            await exchange.snapshot()
    assert trouble.value.kind == "away"


async def test_positions_that_change_while_the_balance_is_read_are_read_again(
    venue: MockRest,
) -> None:
    sizes = iter(["-32", "-40", "-40"])
    row = venue.answers[RISK][0]
    venue.answers[RISK] = lambda: [row | {"positionAmt": next(sizes)}]
    async with opened(venue) as exchange:
        found = await exchange.snapshot()
        assert found.positions[0]["contracts"] == 40.0
        assert venue.asked.count("/fapi/v3/account") == 2
        counts = iter(range(100))
        venue.answers[RISK] = lambda: [row | {"positionAmt": f"-{next(counts) + 1}"}]
        with pytest.raises(VenueTrouble) as trouble:
            await exchange.snapshot()
    assert trouble.value.kind == "torn"


async def test_a_page_that_is_full_may_not_be_all() -> None:
    with serving(fixture("bybit")["answers"]) as venue:
        path = "/v5/position/list?settleCoin=USDT"
        answer = venue.answers[path]
        rows = answer["result"]["list"] * 200
        venue.answers[path] = answer | {"result": answer["result"] | {"list": rows}}
        async with opened(venue, "bybit") as exchange:
            with pytest.raises(VenueTrouble) as trouble:
                await exchange.snapshot()
    assert (trouble.value.kind, "a page" in trouble.value.detail) == ("not_understood", True)


async def test_the_clock_is_measured(venue: MockRest) -> None:
    venue.answers["/fapi/v1/time"] = lambda: {"serverTime": int(time.time() * 1_000) - 60_000}
    async with opened(venue) as exchange:
        offset_ms = await exchange.clock_offset_ms()
    assert offset_ms == pytest.approx(60_000.0, abs=2_000.0)


@pytest.mark.parametrize(
    ("name", "path", "change", "may_trade"),
    [
        ("binanceusdm", "/sapi/v1/account/apiRestrictions", {}, False),
        ("binanceusdm", "/sapi/v1/account/apiRestrictions", {"enableFutures": True}, True),
        ("okx", "/api/v5/account/config", {"data": [{"perm": "read_only,trade"}]}, True),
        ("bitget", "/api/v2/spot/account/info", {"data": {"authorities": ["coow"]}}, True),
        ("bitget", "/api/v2/spot/account/info", {"data": {}}, None),
    ],
)
async def test_what_a_key_may_do_is_asked(
    name: str, path: str, change: dict[str, Any], may_trade: bool | None
) -> None:
    with serving(fixture(name)["answers"]) as venue:
        venue.answers[path] = venue.answers[path] | change
        async with opened(venue, name) as exchange:
            assert (await exchange.permissions()).may_trade is may_trade


async def test_a_change_of_a_position_is_a_hint_and_no_more() -> None:
    said: list[str] = []

    async def private(socket: ServerConnection) -> None:
        async for raw in socket:
            text = str(raw)
            said.append(text)
            if '"login"' in text:
                await socket.send('{"event":"login","code":0}')
            elif '"positions"' in text:
                channel = {"instType": "USDT-FUTURES", "channel": "positions", "instId": "default"}
                await socket.send(json.dumps({"event": "subscribe", "arg": channel}))
                row = {"posId": "926036334386778112", "instId": "BTCUSDT", "marginCoin": "USDT"}
                row |= {"marginSize": "2.19245", "marginMode": "crossed", "holdSide": "long"}
                row |= {"posMode": "hedge_mode", "total": "0.001", "openPriceAvg": "43849"}
                row |= {"leverage": "20", "unrealizedPL": "-0.0032", "keepMarginRate": "0.004"}
                row |= {"cTime": "1652331666985", "uTime": "1701913016923"}
                told = {"action": "snapshot", "arg": channel, "data": [row], "ts": 1}
                await socket.send(json.dumps(told))

    with serving(fixture("bitget")["answers"]) as venue:
        async with serve(private, "127.0.0.1", 0) as streams:
            port = next(iter(streams.sockets)).getsockname()[1]
            more = {"websocket": True, "stream_url": f"ws://127.0.0.1:{port}"}
            async with Exchange(synced("bitget", venue.url, **more)) as exchange:
                assert exchange.can_watch
                async with asyncio.timeout(10.0):
                    await exchange.changed()
    assert [json.loads(text)["op"] for text in said if text != "ping"] == ["login", "subscribe"]
    assert "/api/v2/mix/position/all-position" not in venue.asked


async def test_requests_keep_the_pace_of_the_venue(venue: MockRest) -> None:
    async with Exchange(synced("binanceusdm", venue.url)) as exchange:
        assert exchange.ccxt.enableRateLimit is True
        await asyncio.gather(*(exchange.clock_offset_ms() for _ in range(3)))
