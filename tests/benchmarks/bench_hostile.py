"""Bursts of clients that mean harm, and how long one that behaves waits meanwhile.

Connections that send nothing, bodies that come a byte a second, WebSocket frames of 16 MiB, bodies
and frames that would unpack to a thousand times their size: all at once, ten times. The attackers
are one process of the lowest priority: they have machines of their own, as a rule.
"""

import asyncio
import contextlib
import gzip
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

import numpy as np

from tests.benchmarks.harness import Measurement, Size, resident_bytes
from tests.benchmarks.sockets import HANDSHAKE, allow_descriptors, connected_socket
from tests.benchmarks.whole_service import WITHIN_S, Whole, whole_service

FRAME_BYTES = 16 * 2**20
BOMB_BYTES = 10 * 2**20
PLATEAU_BYTES = 24 * 2**20
_AT_ONCE = 200  # connects that are under way
_SETTLING_S = 2.0
_PACKED_BODY = gzip.compress(b"[" * BOMB_BYTES)
_PACKED_FRAME = zlib.compress(b"[" * BOMB_BYTES, wbits=-15)


@dataclass(frozen=True, slots=True)
class Scale:
    """Attackers of each kind in a burst, which lasts `burst_s`."""

    idle: int
    slow: int
    frames: int
    bombs: int
    bursts: int
    burst_s: float


SCALES: dict[Size, Scale] = {
    "small": Scale(200, 10, 2, 4, 10, 0.5),
    "full": Scale(10_000, 500, 20, 100, 10, 8.0),
}


def run(size: Size) -> Iterator[Measurement]:
    allow_descriptors()
    yield asyncio.run(measured(SCALES[size]))


@contextlib.contextmanager
def good_client(url: str) -> Iterator[IO[str]]:
    """Let a client that behaves call meanwhile; what it says can be read afterwards."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.good_client", url], stdout=said
        )
        try:
            yield said
            assert process.poll() is None, "a good call was refused"
        finally:
            process.terminate()
            process.wait(WITHIN_S)


async def measured(scale: Scale) -> Measurement:
    async with whole_service() as service:
        with good_client(service.url) as said:
            await asyncio.sleep(_SETTLING_S)
            calm_at = time.perf_counter()
            await asyncio.sleep(scale.burst_s)
            burst_at, memory = [time.perf_counter()], [resident_bytes(service.worker())]
            os.nice(19)
            busy_s = time.process_time()
            for _ in range(scale.bursts):
                await _burst(service, scale)
                burst_at.append(time.perf_counter())
                memory.append(resident_bytes(service.worker()))
            busy_s = time.process_time() - busy_s
            said.seek(0)
            lines = said.read().splitlines()[:-1]  # the last may still be under way
        service.check_log()
    calls = [tuple(map(float, line.split())) for line in lines]
    calm, bursts = _p99(calls, calm_at, burst_at[0]), _p99(calls, burst_at[0], burst_at[-1])
    half = scale.bursts // 2
    grown = max(memory[half + 1 :]) - memory[half]
    assert grown < PLATEAU_BYTES, memory
    return Measurement(
        "evaluate beside hostile bursts, p99",
        {"idle": scale.idle, "slow": scale.slow, "frames": scale.frames, "bombs": scale.bombs},
        0,
        bursts,
        "the same calls in peace, p99",
        calm,
        "",
        {
            "p99_ms": 1e3 * bursts,
            "calm_p99_ms": 1e3 * calm,
            "worst_burst_p99_ms": 1e3 * max(_p99(calls, *each) for each in pairwise(burst_at)),
            "slowest_ms": 1e3 * max(took for at, took in calls if at >= burst_at[0]),
            "bursts": scale.bursts,
            "attackers_share": busy_s / (burst_at[-1] - burst_at[0]),
        }
        | {f"worker_mb_after_{number}": size / 1e6 for number, size in enumerate(memory)},
    )


def _p99(calls: list[tuple[float, ...]], begin: float, end: float) -> float:
    return float(np.percentile([took for at, took in calls if begin <= at < end], 99.0))


async def _burst(service: Whole, scale: Scale) -> None:
    """All at once; those that hold out are hung up on when the time is over."""
    over = time.perf_counter() + scale.burst_s
    gate = asyncio.Semaphore(_AT_ONCE)
    kinds: list[tuple[int, Callable[[Attacker], Awaitable[None]]]] = [
        (scale.idle, Attacker.say_nothing),
        (scale.slow, Attacker.dribble),
        (scale.frames, Attacker.send_frame),
        (scale.bombs, Attacker.send_packed_body),
        (scale.bombs, Attacker.send_packed_frame),
    ]

    async def one(attack: Callable[[Attacker], Awaitable[None]]) -> None:
        async with gate:
            attacker = await Attacker.connected(service.url, over)
        try:
            with contextlib.suppress(ConnectionError):
                await attack(attacker)
        finally:
            attacker.hang_up()

    async with asyncio.TaskGroup() as tasks:
        for count, attack in kinds:
            for _ in range(count):
                tasks.create_task(one(attack))


class Attacker:
    """A connection of one that means harm, until the burst is `over`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: float
    ) -> None:
        self._reader, self._writer, self._over = reader, writer, over

    @classmethod
    async def connected(cls, url: str, over: float) -> "Attacker":
        connection = await connected_socket(url)
        return cls(*await asyncio.open_connection(sock=connection), over)

    def hang_up(self) -> None:
        self._writer.transport.abort()

    async def say_nothing(self) -> None:
        await asyncio.sleep(max(0.0, self._over - time.perf_counter()))

    async def dribble(self) -> None:
        """A body of which a byte comes every second."""
        await self._send(_head(10_000))
        while time.perf_counter() < self._over:
            await self._send(b"[")
            await asyncio.sleep(1.0)

    async def send_frame(self) -> None:
        """A frame of 16 MiB, far beyond what is taken."""
        await self._shake_hands()
        length = FRAME_BYTES.to_bytes(8, "big")
        await self._send(b"\x81\xff" + length + b"\0\0\0\0" + b"x" * FRAME_BYTES)
        await self._reader.read()

    async def send_packed_body(self) -> None:
        head = _head(len(_PACKED_BODY), b"Content-Encoding: gzip\r\n")
        await self._send(head + _PACKED_BODY)
        answer = await self._reader.read(1_024)
        assert answer.startswith(b"HTTP/1.1 415 "), answer

    async def send_packed_frame(self) -> None:
        """As if packing had been agreed on: RSV1 is set."""
        await self._shake_hands(b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        size = len(_PACKED_FRAME).to_bytes(2, "big")
        await self._send(b"\xc1\xfe" + size + b"\0\0\0\0" + _PACKED_FRAME)
        answer = await self._reader.read()
        assert (answer[0], int.from_bytes(answer[2:4], "big")) == (0x88, 1_002), answer[:200]

    async def _shake_hands(self, more: bytes = b"") -> None:
        await self._send(HANDSHAKE.format(host="127.0.0.1").encode()[:-2] + more + b"\r\n")
        answer = await self._reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert b"deflate" not in answer

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


def _head(size: int, more: bytes = b"") -> bytes:
    head = b"POST /v1/evaluate HTTP/1.1\r\nHost: plimsoll\r\nContent-Type: application/json\r\n"
    return head + more + b"Content-Length: %d\r\n\r\n" % size
