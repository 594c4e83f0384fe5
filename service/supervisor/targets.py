"""`plimsoll serve --role targets`: the process that tells chats, mailboxes and pagers.

Apprise, which it needs, is imported here and nowhere else: what it does stays in this process.
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
from service.store.receivers import Targets
from service.store.silences import Silences
from service.supervisor.extras import check_targets
from service.webhooks.delivery import Pace
from service.webhooks.sender import Rules
from service.webhooks.worker import DeliveryWorker


async def run_targets(settings: Settings) -> None:
    """Tell targets until cancelled."""
    check_targets(settings)
    from service.targets.notifier import Notifier, seal_process  # noqa: PLC0415 - see above

    url = settings.redis_url
    if url is None:
        raise InvalidInput("targets need the Redis or Valkey of the service: give --redis-url")
    seal_process()
    road = Notifier(Rules(settings.webhook_allow_http, settings.webhook_allow_private))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(url))
        blocking = await stack.enter_async_context(connect_blocking(url))

        levels = LogLevelBoard(LogLevels(client), settings.log_level)
        await stack.enter_async_context(kept(levels=levels.run))

        async def settled() -> str:
            return await settle(client, settings.shards)

        log, targets = AlertLog(client, settings.shards, blocking), Targets(client)
        await DeliveryWorker(
            log,
            targets,
            settled,
            road,
            named="targets",
            silences=SilenceBoard(Silences(client)),
            pace=Pace(give_up_s=settings.webhook_give_up_s),
        ).run()
