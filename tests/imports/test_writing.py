"""Writing by the service's calls: asked again when it is busy, results by item, refusals said."""

import asyncio
from collections.abc import Callable

import httpx
import msgspec
import pytest

from service.contract.instruments import InstrumentDocument
from service.errors import InvalidInput, StoreUnavailable
from service.imports.files import read_content
from service.imports.records import Asked
from service.imports.writing import TRIES, write_instruments
from tests.imports.forms import BTC, ETH, brackets

CONTENT = [brackets("BTCUSDT", BTC), brackets("ETHUSDT", ETH)]
DOCUMENTS = read_content(CONTENT, "a file", {}, Asked()).documents
PROBLEM = {"type": "urn:plimsoll:problem:x", "title": "x", "code": "x", "detail": "why"}
Answer = Callable[[httpx.Request], httpx.Response]


def write(answer: Answer) -> list[tuple[str, str]]:
    async def all_of_it(documents: list[InstrumentDocument]) -> list[tuple[str, str]]:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [
                (document.symbol, result.status)
                async for document, result in write_instruments(client, documents)
            ]

    return asyncio.run(all_of_it(DOCUMENTS))


def results(*statuses: str) -> list[dict[str, object]]:
    return [{"index": index, "status": status} for index, status in enumerate(statuses)]


def test_a_busy_service_is_asked_again_with_the_same_key() -> None:
    keys: list[str] = []

    def busy_once(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return httpx.Response(429, headers={"Retry-After": "0"}, json=PROBLEM | {"status": 429})
        assert len(msgspec.json.decode(request.content)) == 2
        taken = {"accepted": 1, "refused": 1, "results": results("ok", "refused")}
        return httpx.Response(207, json=taken)

    assert write(busy_once) == [("BTC/USDT:USDT", "ok"), ("ETH/USDT:USDT", "refused")]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_list_of_which_nothing_is_taken_has_results_too() -> None:
    body = PROBLEM | {"status": 422, "results": results("refused", "refused")}
    assert {status for _, status in write(lambda _: httpx.Response(422, json=body))} == {"refused"}


def test_a_service_that_stays_busy_or_refuses_is_said_in_a_line() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(503, headers={"Retry-After": "0"}, json=PROBLEM | {"status": 503})

    with pytest.raises(InvalidInput, match="503 x: why"):
        write(answer)
    assert asked == ["PUT"] * TRIES
    with pytest.raises(InvalidInput, match="403 x: why"):
        write(lambda _: httpx.Response(403, json=PROBLEM | {"status": 403}))
    with pytest.raises(InvalidInput, match="answered 502"):
        write(lambda _: httpx.Response(502, text="<html>"))
    with pytest.raises(InvalidInput, match="answers what"):
        write(lambda _: httpx.Response(200, text="<html>"))

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(StoreUnavailable, match="no service answers"):
        write(away)
