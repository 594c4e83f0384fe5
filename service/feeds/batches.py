"""The batches that go from a feed's intake to the sink."""

import asyncio
import logging
from typing import NoReturn

from service.errors import StoreUnavailable
from service.feeds.intake import Intake
from service.feeds.sinks import MarkSink

_log = logging.getLogger("plimsoll.feeds")


async def send_batches(name: str, intake: Intake, sink: MarkSink, flush_s: float) -> NoReturn:
    """Send what waits, again and again.

    While a batch is on its way, newer marks take the place of those that wait. A batch the store
    does not take in time is dropped: newer marks are there by then, and old prices must not come
    back as news.
    """
    away = False
    while True:
        await asyncio.sleep(flush_s)
        batch = intake.drain()
        if not batch:
            continue
        try:
            intake.answered(await sink.send(batch))
        except StoreUnavailable as error:
            intake.refuse("store_unavailable", len(batch))
            if not away:
                _log.warning("%s: marks are dropped: %s", name, error.detail)
            away = True
        else:
            away = False
