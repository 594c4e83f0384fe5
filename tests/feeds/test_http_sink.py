"""Marks by `POST /v1/marks`: outages are waited out, refusals counted, nonsense is told."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import httpx
import orjson
import pytest

from service.errors import InvalidInput, StoreUnavailable
from service.feeds.cycle import Rhythm, run_cycle
from service.feeds.sinks import HttpSink
from service.feeds.synthetic import Asset, Crash, SyntheticMarket
from service.feeds.tape import MarkDoc

pytestmark = pytest.mark.anyio

MARKS: list[MarkDoc] = [
    {"symbol": "A/USDT:USDT", "markPrice": 1.0},
    {"symbol": "B/USDT:USDT", "markPrice": 2.0},
]
TAKEN = {"index": 0, "status": "ok", "marketId": 1}
REFUSED = {
    "index": 1,
    "status": "refused",
    "errors": [{"pointer": "/marks/1", "code": "stale_timestamp", "detail": "older"}],
}


def client(answers: Iterator[httpx.Response | None]) -> httpx.AsyncClient:
    """A client whose service gives these answers one after another; None is a lost connection."""

    def answer(request: httpx.Request) -> httpx.Response:
        response = next(answers)
        if response is None:
            raise httpx.ConnectError("refused", request=request)
        return response

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://service")


def result(*items: dict[str, object]) -> httpx.Response:
    body = {"accepted": 1, "refused": 1, "results": items}
    return httpx.Response(200, content=orjson.dumps(body))


async def test_an_answer_an_item() -> None:
    async with client(iter([result(TAKEN, REFUSED)])) as service:
        assert await HttpSink(service, 5.0).send(MARKS) == [None, "stale_timestamp"]


async def test_a_list_of_which_nothing_was_taken() -> None:
    problem = {"type": "x", "title": "x", "status": 422, "code": "invalid_input", "detail": "x"}
    answer = httpx.Response(422, content=orjson.dumps({**problem, "results": [REFUSED, REFUSED]}))
    async with client(iter([answer])) as service:
        assert await HttpSink(service, 5.0).send(MARKS) == ["stale_timestamp"] * 2


async def test_an_outage_is_waited_out() -> None:
    refused = [httpx.Response(status) for status in (503, 429)]
    answers = iter([None, *refused, None, result(TAKEN, TAKEN)])
    async with client(answers) as service:
        assert await HttpSink(service, 30.0).send(MARKS) == [None, None]


async def test_a_long_outage_is_given_up() -> None:
    def away() -> Iterator[None]:
        while True:
            yield None

    async with client(away()) as service:
        with pytest.raises(StoreUnavailable, match=r"0\.3 s"):
            await HttpSink(service, 0.3).send(MARKS)


@pytest.mark.parametrize(
    "answer", [httpx.Response(404, text="nothing here"), httpx.Response(200, text="<html>")]
)
async def test_an_answer_that_is_none_is_told(answer: httpx.Response) -> None:
    async with client(iter([answer])) as service:
        with pytest.raises(InvalidInput, match=str(answer.status_code)):
            await HttpSink(service, 1.0).send(MARKS)


async def test_a_market_goes_on_from_calm_to_crash_and_back() -> None:
    class Counter:
        """A sink that stops the feed after so many batches."""

        def __init__(self, stop: Callable[[], None], batches: int) -> None:
            self.prices: list[float] = []
            self._stop, self._batches = stop, batches

        async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
            self.prices.append(float(marks[0]["markPrice"]))
            if len(self.prices) == self._batches:
                self._stop()
            return [None] * len(marks)

    market = SyntheticMarket([Asset("A", 100.0, 0.1, 1.0, (("generic", "A/USD:USD"),))], 1)
    crash = Crash(depth=0.3, fall_s=0.1, pause_s=0.05, recovery_s=0.1, recovered=1.0)
    phases: list[str] = []
    stopped = asyncio.Event()
    sink = Counter(stopped.set, 80)
    feed = asyncio.create_task(run_cycle(market, sink, Rhythm(0.01, 0.1, crash), phases.append))
    async with asyncio.timeout(20.0):
        await stopped.wait()
    feed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feed

    assert min(sink.prices) == pytest.approx(70.0, rel=0.01)
    assert sink.prices[-1] > 69.0
    assert {"falling", "at the bottom", "recovering"} <= set(phases)
