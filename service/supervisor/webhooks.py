"""`plimsoll serve --role webhooks`: the process that delivers, put together.

It needs little of the service, and imports no more.
"""

from contextlib import AsyncExitStack

from service.access.log_level import LogLevelBoard
from service.access.silences import SilenceBoard
from service.errors import InvalidInput
from service.running import kept
from service.settings import Settings
from service.store.alert_log import AlertLog
from service.store.client import connect, connect_blocking
from service.store.epoch import settle
from service.store.log_level import LogLevels
from service.store.receivers import Webhooks
from service.store.silences import Silences
from service.webhooks.calls import SignedCalls
from service.webhooks.delivery import Pace
from service.webhooks.sender import Rules, Sender
from service.webhooks.worker import DeliveryWorker


async def run_webhooks(settings: Settings) -> None:
    """Deliver until cancelled."""
    url = settings.redis_url
    if url is None:
        raise InvalidInput("webhooks need the Redis or Valkey of the service: give --redis-url")
    rules = Rules(
        settings.webhook_allow_http, settings.webhook_allow_private, settings.webhook_timeout_s
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(url))
        blocking = await stack.enter_async_context(connect_blocking(url))
        levels = LogLevelBoard(LogLevels(client), settings.log_level)
        await stack.enter_async_context(kept(levels=levels.run))
        sender = await stack.enter_async_context(Sender(rules))

        async def settled() -> str:
            return await settle(client, settings.shards)

        log, webhooks = AlertLog(client, settings.shards, blocking), Webhooks(client)
        pace = Pace(give_up_s=settings.webhook_give_up_s)
        silences = SilenceBoard(Silences(client))
        road = SignedCalls(sender)
        await DeliveryWorker(log, webhooks, settled, road, silences=silences, pace=pace).run()
