"""A venue on loopback for a feed of the service, in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.feeds.venues.binance import BinanceDialect
from tests.feeds.venues.mock import MockVenue


@contextlib.contextmanager
def quoting(period_s: float = 0.25) -> Iterator[MockVenue]:
    """Run a venue that quotes, and now and then late, so that something is refused."""
    venue = MockVenue(BinanceDialect(3), period_s)
    venue.fault = "out of order"
    loop, ended, running = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with venue.running():
            running.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert running.wait(10.0)
    try:
        yield venue
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10.0)
        loop.close()


@contextlib.contextmanager
def muted(venue: MockVenue) -> Iterator[None]:
    """Let it tell no prices, though it stays connected."""
    venue.mute()
    try:
        yield
    finally:
        for session in venue.sessions:
            session.muted = False
