"""`plimsoll serve --role feed`: the demo's market as a feed process, straight into the stream."""

import msgspec

from service.contract.instruments import decode_instrument, encode_instrument
from service.demo import markets
from service.errors import InvalidInput
from service.feeds.cycle import Rhythm, run_cycle
from service.feeds.store_sink import StoreSink
from service.feeds.synthetic import SyntheticMarket
from service.rules import gate_of
from service.settings import Settings
from service.store.client import connect
from service.store.market_stream import MarketStream

GIVE_UP_AFTER_S = 60.0
SEED = 7


async def run_feed(settings: Settings) -> None:
    """Put the contracts, then marks for ever; ends by being cancelled.

    Raises StoreUnavailable after a minute of outage.
    """
    if settings.redis_url is None:
        raise InvalidInput("a feed needs the Redis or Valkey of the service: give --redis-url")
    contracts = [decode_instrument(msgspec.json.encode(row)) for row in markets.instruments()]
    async with connect(settings.redis_url) as client:
        stream = MarketStream(client, gate_of(settings))
        await stream.append_instruments(
            [(one.venue, one.symbol, encode_instrument(one)) for one in contracts]
        )
        market = SyntheticMarket(markets.assets(), SEED)
        rhythm = Rhythm(crash=markets.DEMO_CRASH)
        await run_cycle(market, StoreSink(stream, GIVE_UP_AFTER_S), rhythm)
