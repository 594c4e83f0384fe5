"""How a process is told to end."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


async def until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Await `work`; SIGTERM or SIGINT cancels it, a second one cancels its tidying up as well."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work, name="service")
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, task.cancel)
    try:
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
