"""Marks into one worker: batches over `/v1/marks/stream`, beside `POST /v1/marks` in the same run.

The stream is sent to without waiting for answers; the calls go over one connection that is kept,
each after the answer to the one before, and, in the notes, over eight such connections at once. A
batch of 1,000 is two frames. Nothing is said of the client's own share: both are read in Python.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import numpy as np
import orjson
from websockets.asyncio.client import connect

from service.contract.producing import BATCH_MARKS_MAX
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_service import Whole, whole_service

SEED = 29
SYMBOLS = 200
CONNECTIONS = 8
ROUNDS = 5


def batches(count: int, size: int, size_max: int) -> list[bytes]:
    """Return bodies, or frames, of `count` batches of `size` marks, no larger than `size_max`."""
    source = np.random.default_rng(SEED)
    found = []
    for _ in range(count):
        prices = source.uniform(90.0, 110.0, size).round(2).tolist()
        marks = [
            {"symbol": f"S{row % SYMBOLS}/USDT:USDT", "markPrice": price}
            for row, price in enumerate(prices)
        ]
        for start in range(0, size, size_max):
            found.append(orjson.dumps({"marks": marks[start : start + size_max]}))
    return found


def run(size: Size) -> Iterator[Measurement]:
    counts = {1: 50, 100: 5, 1_000: 1} if size == "small" else {1: 500, 100: 100, 1_000: 20}
    rounds = 1 if size == "small" else ROUNDS
    with asyncio.Runner() as runner:
        yield from runner.run(_measured(counts, rounds))


async def _measured(counts: dict[int, int], rounds: int) -> list[Measurement]:
    async with whole_service() as whole:
        await _by_stream(whole, batches(5, 1, 1))
        return [await _compared(whole, size, count, rounds) for size, count in counts.items()]


async def _compared(whole: Whole, size: int, count: int, rounds: int) -> Measurement:
    frames = batches(count, size, BATCH_MARKS_MAX)
    bodies = batches(count, size, size)
    seconds: dict[str, list[float]] = {"stream": [], "alone": [], "eight": []}
    for _ in range(rounds):
        before, _ = await whole.market.tail()
        seconds["stream"].append(await _by_stream(whole, frames))
        seconds["alone"].append(await _by_calls(whole, bodies, 1))
        seconds["eight"].append(await _by_calls(whole, bodies, CONNECTIONS))
        after, _ = await whole.market.tail()
        assert after - before >= 3 * count * size
    stream_s, alone_s, eight_s = (float(np.median(each)) for each in seconds.values())
    marks = size * count
    return Measurement(
        f"marks in batches of {size}",
        {"marks": marks, "batches": count},
        SEED,
        stream_s,
        "POST /v1/marks, one connection",
        alone_s,
        hash_of(np.array([len(each) for each in bodies], np.float64)),
        {
            "stream_marks_a_second": marks / stream_s,
            "post_marks_a_second": marks / alone_s,
            "post_by_eight_marks_a_second": marks / eight_s,
        },
    )


async def _by_stream(whole: Whole, frames: list[bytes]) -> float:
    """Return the seconds from the first frame to the answer to the last."""
    url = whole.url.replace("http", "ws", 1) + "/v1/marks/stream"
    async with connect(url, compression=None) as socket:
        texts = [frame.decode() for frame in frames]
        began = time.perf_counter()

        async def send() -> None:
            for text in texts:
                await socket.send(text)

        sending = asyncio.create_task(send())
        for frame in frames:
            answer = orjson.loads(await socket.recv())
            while answer["type"] == "notice":
                answer = orjson.loads(await socket.recv())
            assert answer["accepted"] == frame.count(b'"symbol"'), answer
        await sending
        return time.perf_counter() - began


async def _by_calls(whole: Whole, bodies: list[bytes], connections: int) -> float:
    """Return the seconds from the first call to the answer to the last."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_call(whole.url)) for _ in range(connections)]
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for row, (reader, writer) in enumerate(opened):
                tasks.create_task(_post_all(reader, writer, bodies[row::connections]))
        return time.perf_counter() - began


@contextlib.asynccontextmanager
async def _call(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    yield reader, writer
    writer.close()


async def _post_all(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bodies: list[bytes]
) -> None:
    for body in bodies:
        head = (
            "POST /v1/marks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().split(b"content-length: ")[1].split()[0])
        told = orjson.loads(await reader.readexactly(size))
        assert told["accepted"] == body.count(b'"symbol"'), told
