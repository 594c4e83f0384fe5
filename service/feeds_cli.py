"""`plimsoll feed`: marks of venues into the stream of a running service, from wherever this runs.

Like the service's own parts it talks to the store.
"""

from typing import Annotated

import typer
import uvloop

from service.logs import log_to_stderr
from service.settings import Settings
from service.supervisor.feeds import run_feeds
from service.terminal import DataDir, RedisUrl, run, settings_of, store_url


def feed(
    venues: Annotated[
        list[str] | None, typer.Argument(help="binance, bybit, okx, ...; default: PLIMSOLL_FEEDS")
    ] = None,
    *,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Take marks of venues until stopped: `plimsoll feed binance okx`."""
    named = ",".join(venues) if venues else None
    settings = settings_of(feeds=named, data_dir=data_dir, redis_url=redis_url)
    log_to_stderr(settings.log_level, settings.log_format, "feed")
    run(_feed(settings), uvloop.new_event_loop)


async def _feed(settings: Settings) -> None:
    await run_feeds(settings.model_copy(update={"redis_url": store_url(settings)}))
