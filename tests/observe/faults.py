"""Faults that are made in a running service, each undone at the end of its block."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import httpx
from websockets.sync.client import connect

from service.contract.marks import encode_mark
from service.risk.model import Mark
from service.store.client import connect as connect_store
from service.store.market_stream import MarketStream, NewMark
from tests.observe.traffic import PRICES, SYMBOL

HELD_S, FREE_S = 0.4, 0.2  # the store, in turns: slow, and yet there
FAR_AHEAD_MS = 4_102_444_800_000  # the year 2100
BAD_FRAMES = 101  # of one connection: one more than it may have


@contextlib.contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Hold processes; they go on as if nothing had happened."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def again(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do it again and again beside the block; it is given what is set in the end."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            work(ended)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10.0)


def halting(pids: Sequence[int], held_s: float, free_s: float) -> Callable[[threading.Event], None]:
    """Return what holds processes for a moment and lets them go for another."""

    def halt(ended: threading.Event) -> None:
        with stopped(pids):
            ended.wait(held_s)
        ended.wait(free_s)

    return halt


def stalling(redis_url: str, pids: Sequence[int]) -> Callable[[threading.Event], None]:
    """Return what lets a mark into the market stream and then holds the store for a moment.

    By then the monitor has read the mark, and its commit has to wait.
    """

    async def stall() -> None:
        async with connect_store(redis_url) as client:
            marks = [NewMark("generic", SYMBOL, _payload(price)) for price in PRICES]
            await MarketStream(client).append_marks(marks)
            with stopped(pids):
                await asyncio.sleep(HELD_S)

    def work(ended: threading.Event) -> None:
        asyncio.run(stall())
        ended.wait(FREE_S)

    return work


def _payload(price: float) -> bytes:
    return encode_mark(Mark(SYMBOL, price))


def nonsense(url: str) -> Callable[[threading.Event], None]:
    """Return what sends bodies that are no questions."""

    def send(ended: threading.Event) -> None:
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.Client(base_url=url, timeout=2.0, trust_env=False) as http,
        ):
            for _ in range(10):
                http.post("/v1/evaluate", content=b'{"accounts": [{"id": NaN', headers=_JSON)
        ended.wait(0.5)

    return send


_JSON = {"Content-Type": "application/json"}


def future_marks(url: str) -> Callable[[threading.Event], None]:
    """Return what posts marks of a clock that is far ahead: each is refused, no call is."""
    mark = {"symbol": SYMBOL, "markPrice": PRICES[0], "timestamp": FAR_AHEAD_MS}

    def post(ended: threading.Event) -> None:
        with (
            contextlib.suppress(httpx.TransportError),
            httpx.Client(base_url=url, timeout=2.0, trust_env=False) as http,
        ):
            http.post("/v1/marks", json={"marks": [mark] * 50})
        ended.wait(0.3)

    return post


def bad_frames(url: str) -> Callable[[threading.Event], None]:
    """Return what opens a stream and says nothing that means anything until it is closed."""

    def talk(ended: threading.Event) -> None:
        with (
            contextlib.suppress(Exception),  # however it is cut off
            connect(f"{url.replace('http', 'ws')}/v1/stream", proxy=None) as stream,
        ):
            for _ in range(BAD_FRAMES + 1):
                stream.send("nonsense")
            while True:
                stream.recv(timeout=2.0)
        ended.wait(0.3)

    return talk


def slow_bodies(url: str, size: int, seconds: float) -> Callable[[threading.Event], None]:
    """Return what sends three large bodies at a time, half of each after a pause.

    One of two workers has two of them.
    """
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    head = (
        f"POST /v1/evaluate HTTP/1.1\r\nHost: plimsoll\r\nContent-Type: application/json\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()

    def send(ended: threading.Event) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(3)]
            for each in sockets:
                each.settimeout(2.0)
                each.sendall(head + b" " * (size // 2))
            ended.wait(seconds)
            for each in sockets:
                with contextlib.suppress(OSError):  # one of them was refused and hung up on
                    each.sendall(b" " * (size - size // 2))
                    each.recv(4_096)

    return send
