"""Marks by WebSocket: each batch answered by where it stands, in order, bounded, all or nothing."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from service.contract.producing import BATCH_MARKS_MAX
from service.errors import StoreUnavailable
from service.push.admission import AdmissionRules
from service.push.connection import StreamLimits
from service.push.producer import Producer
from service.store.api_keys import Scope
from service.store.market_stream import NewMark
from tests.push.stream import QUICK, Client, Worker, open_worker, until

pytestmark = pytest.mark.anyio


def mark(price: object, **more: object) -> dict[str, object]:
    return {"symbol": "BTC/USDT:USDT", "markPrice": price, **more}


async def stored(worker: Worker) -> list[tuple[int, float]]:
    """Return the market ids and prices of the marks in the stream."""
    entries = await worker.market.read(0)
    return [
        (each.market_id, json.loads(each.payload)["markPrice"])
        for each in entries
        if each.kind == "m"
    ]


class Gate:
    """Holds calls of the store back, fails them, and counts what they carry."""

    def __init__(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[int] = []
        self.open = asyncio.Event()
        self.away = False
        self._append = worker.market.append_marks
        monkeypatch.setattr(worker.market, "append_marks", self.append_marks)

    async def append_marks(self, marks: Sequence[NewMark]) -> list[int | str]:
        if marks:
            self.calls.append(len(marks))
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("away")
        return await self._append(marks)


async def test_each_mark_is_taken_or_refused_by_itself_and_the_place_is_told(
    worker: Worker,
) -> None:
    async with Client.open(worker.marks_url) as client:
        marks = [mark(1.0, timestamp=5), mark("-1"), mark("2", timestamp=4), {}, mark(3.5)]
        await client.send(id="b1", marks=marks)
        frame = await client.read("taken")
        assert (frame["id"], frame["accepted"], frame["complete"]) == ("b1", 2, True)
        told = [(each["index"], each["errors"][0]) for each in frame["refused"]]
        assert [(index, error["pointer"], error["code"]) for index, error in told] == [
            (1, "/marks/1/markPrice", "out_of_range"),
            (2, "/marks/2", "stale_timestamp"),
            (3, "/marks/3/symbol", "missing_field"),
        ]
        assert [price for _, price in await stored(worker)] == [1.0, 3.5]
        assert frame["marketId"] == (await stored(worker))[-1][0]
        await client.send(marks=[mark(0)])
        nothing = await client.read("taken")
        assert (nothing["marketId"], nothing["accepted"], "id" in nothing) == (None, 0, False)


async def test_frames_sent_at_once_are_answered_in_order_in_few_calls_of_the_store(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker, monkeypatch)
    async with Client.open(worker.marks_url) as client:
        for number in range(200):
            await client.send(id=str(number), marks=[mark(1.0 + number)])
            if number % 50 == 0:
                await client.connection.send("nonsense")
        gate.open.set()
        answers: list[dict[str, Any]] = []
        for number in range(200):
            answers.append(await client.read("taken"))
            if number % 50 == 0:
                assert (await client.read("error"))["code"] == "malformed_frame"
        assert [frame["id"] for frame in answers] == [str(number) for number in range(200)]
        places = [(frame["marketId"], 1.0 + number) for number, frame in enumerate(answers)]
        assert await stored(worker) == places
        assert sum(gate.calls) == 200
        assert len(gate.calls) < 100


async def test_a_producer_ahead_of_the_store_waits_in_its_own_socket(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker, monkeypatch)
    async with Client.open(worker.marks_url) as client, Client.open(worker.url) as listener:
        sent = 40

        async def produce() -> None:
            for number in range(sent):
                await client.send(id=str(number), marks=[mark(1.0 + number)] * 300)

        producing = asyncio.create_task(produce())
        await until(lambda: gate.calls == [300])
        # Of the second batch we have read, the third has no room: the inbox holds one call.
        await listener.send(op="ping")
        await listener.read("pong")
        (producer,) = (each for each in worker.hub.sessions if isinstance(each, Producer))
        await until(lambda: producer._inbox._weight == 300)
        assert gate.calls == [300]
        gate.open.set()
        ids = [(await client.read("taken"))["id"] for _ in range(sent)]
        await producing
        assert ids == [str(number) for number in range(sent)]
        assert max(gate.calls) <= BATCH_MARKS_MAX


async def test_a_store_that_is_away_refuses_whole_batches_and_the_same_marks_may_come_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker, monkeypatch)
    gate.open.set()
    gate.away = True
    async with Client.open(worker.marks_url) as client:
        batch = {"id": "x", "marks": [mark(1.0, timestamp=7), mark(2.0, timestamp=7)]}
        await client.send(**batch)
        error = await client.read("error")
        assert (error["code"], error["id"]) == ("store_unavailable", "x")
        await client.send(id="bad", marks=[mark(-1)])
        assert (await client.read("taken"))["accepted"] == 0
        assert await stored(worker) == []
        gate.away = False
        for _ in range(2):  # the call that failed may have been carried out
            await client.send(**batch)
            assert (await client.read("taken"))["accepted"] == 2


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("{", "malformed_frame", None),
        ('{"marks":[' + "[" * 20_000, "malformed_frame", None),
        ("[]", "invalid_frame", None),
        ("{}", "invalid_frame", None),
        ('{"id":"1","marks":[]}', "invalid_frame", "1"),
        ('{"id":"1","marks":{}}', "invalid_frame", "1"),
        ('{"id":1,"marks":[{"symbol":"A","markPrice":1}]}', "invalid_frame", None),
        ('{"id":"","marks":[{"symbol":"A","markPrice":1}]}', "invalid_frame", None),
        ('{"id":"' + "x" * 65 + '","marks":[{"symbol":"A","markPrice":1}]}', "invalid_frame", None),
        ('{"marks":[{"symbol":"\\ud800","markPrice":1}]}', "malformed_frame", None),
        ('{"id":"1","op":"subscribe","channel":"marks"}', "unknown_op", "1"),
        ('{"op":7}', "invalid_frame", None),
        ('{"id":"1","marks":[{"symbol":"A","markPrice":1},7]}', "invalid_frame", "1"),
        ('{"op":"auth","token":"x"}', "auth_not_configured", None),
        (json.dumps({"id": "n", "marks": [{}] * (BATCH_MARKS_MAX + 1)}), "too_many_items", "n"),
        (b"\x00", "binary_frame", None),
    ],
)
async def test_a_frame_that_is_no_batch_is_answered_and_the_next_is_taken(
    worker: Worker, text: str | bytes, code: str, named: str | None
) -> None:
    async with Client.open(worker.marks_url) as client:
        await client.connection.send(text)
        error = await client.read("error")
        assert (error["code"], error.get("id")) == (code, named)
        await client.send(op="ping")
        await client.read("pong")
        await client.send(marks=[mark(1.0)] * BATCH_MARKS_MAX)
        assert (await client.read("taken"))["accepted"] == BATCH_MARKS_MAX
    assert len(await stored(worker)) == BATCH_MARKS_MAX


async def test_a_long_list_of_refused_marks_comes_in_several_frames(redis_url: str) -> None:
    limits = StreamLimits(frame_bytes=4_096)
    async with open_worker(redis_url, limits) as worker, Client.open(worker.marks_url) as client:
        await client.send(id="1", marks=[mark(1.0), *[mark("NaN", lastPrice="x")] * 99])
        refused: list[int] = []
        complete = False
        while not complete:
            frame = await client.read("taken")
            assert frame["accepted"] == 1
            refused += [each["index"] for each in frame["refused"]]
            complete = frame["complete"]
        assert refused == list(range(1, 100))
        assert client.largest <= limits.frame_bytes


async def test_a_frame_above_the_limit_ends_the_connection(worker: Worker) -> None:
    async with Client.open(worker.marks_url) as client:
        await client.connection.send(" " * (64 * 1_024 + 1))
        assert await client.closed() == 1009


@pytest.mark.parametrize("by_header", [True, False])
async def test_it_needs_the_scope(redis_url: str, by_header: bool) -> None:
    async with open_worker(redis_url, QUICK, AdmissionRules()) as worker:

        async def answer_to(scopes: tuple[Scope, ...]) -> int | str | None:
            _, token = await worker.keys.create("feed", "desk", scopes, 0, None)
            headers = {"Authorization": f"Bearer {token}"} if by_header else None
            async with Client.open(worker.marks_url, headers=headers) as client:
                if not by_header:
                    await client.send(op="auth", token=token)
                if "marks:write" not in scopes:
                    return await client.closed()
                await client.send(marks=[mark(1.0)])
                return str((await client.read())["type"])

        assert await answer_to(("accounts:write", "alerts:read")) == 4502
        assert await stored(worker) == []
        assert await answer_to(("marks:write",)) == "taken"
        async with Client.open(worker.marks_url) as client:
            await client.send(marks=[mark(1.0)])  # before any key
            assert await client.closed() == 4501
        assert len(await stored(worker)) == 1


async def test_marks_cost_units_and_who_has_none_is_read_more_slowly(redis_url: str) -> None:
    async with open_worker(redis_url, rules=AdmissionRules(), rate_per_s=100.0) as worker:
        _, token = await worker.keys.create("feed", "desk", ("marks:write",), 0, None)
        headers = {"Authorization": f"Bearer {token}"}
        async with Client.open(worker.marks_url, headers=headers) as client:
            began = asyncio.get_running_loop().time()
            for _ in range(3):
                await client.send(marks=[mark(1.0)] * 90)
            for _ in range(3):
                assert (await client.read("taken"))["accepted"] == 90
            assert asyncio.get_running_loop().time() - began > (270 - 2 * 100) / 100


async def test_a_planned_restart_answers_what_was_read_and_then_closes(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(worker, monkeypatch)
    async with Client.open(worker.marks_url) as client:
        for number in range(3):
            await client.send(id=str(number), marks=[mark(1.0 + number)])
        await until(lambda: sum(gate.calls) > 0)
        draining = asyncio.create_task(worker.hub.drain(0.05))
        assert (await client.read("notice"))["notice"] == "restart"
        (producer,) = worker.hub.sessions
        await until(lambda: producer.close_code is not None)
        gate.open.set()
        answered = [(await client.read("taken"))["id"] for _ in range(3)]
        assert answered == ["0", "1", "2"]
        assert await client.closed() == 4000
        await draining
    async with Client.open(worker.marks_url) as late:
        assert await late.closed() == 4000
