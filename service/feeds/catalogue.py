"""Every feed by its name."""

from typing import get_args

from service.feeds.venue import FeedName, VenueFeed
from service.feeds.venues.binance import BINANCE
from service.feeds.venues.bybit import BYBIT
from service.feeds.venues.deribit import DERIBIT
from service.feeds.venues.hyperliquid import HYPERLIQUID
from service.feeds.venues.krakenfutures import KRAKENFUTURES
from service.feeds.venues.okx import OKX

FEEDS: dict[FeedName, VenueFeed] = {
    feed.name: feed for feed in (BINANCE, BYBIT, OKX, HYPERLIQUID, DERIBIT, KRAKENFUTURES)
}
assert set(FEEDS) == set(get_args(FeedName))
