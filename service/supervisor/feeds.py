"""`plimsoll serve --role feed`: the process that takes marks from venues, put together."""

import contextlib
import logging
import os
import socket
from typing import cast

from service.access.log_level import LogLevelBoard
from service.errors import InvalidInput, StoreUnavailable
from service.feeds.catalogue import FEEDS
from service.feeds.ccxt_feed import CcxtFeed
from service.feeds.connection import Origins, Pace
from service.feeds.intake import ClockRules
from service.feeds.live import LiveFeed
from service.feeds.store_sink import StoreSink
from service.feeds.venue import CCXT, FeedName
from service.running import kept
from service.settings import Settings
from service.store import keys
from service.store.client import connect
from service.store.formats import refuse_other_data
from service.store.health import Roll
from service.store.log_level import LogLevels
from service.store.market_stream import MarketStream
from service.supervisor.reports import keep_reporting
from service.wiring import gate_of

_log = logging.getLogger("plimsoll.feeds")


async def run_feeds(settings: Settings) -> None:
    """Take marks of the venues in `feeds` until cancelled."""
    if settings.redis_url is None:
        raise InvalidInput("a feed needs the Redis or Valkey of the service: give --redis-url")
    if not settings.feeds:
        raise InvalidInput(f"name the feeds in PLIMSOLL_FEEDS: {', '.join(FEEDS)}, or ccxt:CLASS")
    async with connect(settings.redis_url) as client:
        with contextlib.suppress(StoreUnavailable):  # it may come later
            await refuse_other_data(client)
        stream = MarketStream(client, gate_of(settings, settings.feed_mark_band))
        feeds = [_feed_of(settings, name, stream) for name in settings.feeds]
        roll = Roll(client, f"{socket.gethostname()}-{os.getpid()}", keys.FEEDS)
        levels = LogLevelBoard(LogLevels(client), settings.log_level)
        runs = {f"feed of {feed.name}": feed.run for feed in feeds}
        async with kept(levels=levels.run, **runs):
            await keep_reporting(roll, lambda: {feed.name: feed.figures() for feed in feeds})


def _feed_of(settings: Settings, name: str, stream: MarketStream) -> LiveFeed | CcxtFeed:
    pace = Pace()
    stream_origin, _, listing_origin = settings.feed_urls.get(name, "").partition(" ")
    origins = Origins(stream_origin or None, listing_origin or None)
    age_max_ms = int(settings.mark_max_age_s * 1_000.0)
    clock = ClockRules(age_max_ms=age_max_ms, stamp=settings.event_time == "source")
    sink = StoreSink(stream, pace.store_within_s)
    if name.startswith(CCXT):
        symbols = settings.feed_symbols.get(name, ())
        return CcxtFeed(name, sink, symbols, pace=pace, clock=clock, origins=origins)
    return LiveFeed(FEEDS[cast("FeedName", name)], sink, pace=pace, clock=clock, origins=origins)
