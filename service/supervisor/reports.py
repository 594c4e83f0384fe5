"""What a process says of itself, again and again, so that metrics and readiness know of it."""

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn

import msgspec

from service.errors import StoreUnavailable
from service.store.health import Roll

REPORT_EVERY_S = 1.0

_log = logging.getLogger("plimsoll.running")


async def keep_reporting(roll: Roll, figures: Callable[[], object]) -> NoReturn:
    """Tell the store every second how things are; while it is away nobody asks."""
    while True:
        try:
            await roll.report(msgspec.json.encode(figures()))
        except StoreUnavailable as error:
            _log.debug("no report while the store is away: %s", error.detail)
        await asyncio.sleep(REPORT_EVERY_S)
