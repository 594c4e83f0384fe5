"""How a process is told to end, or to renew what it has started."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

_TERMINAL = 0


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


@contextlib.contextmanager
def on_hangup(do: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Do it at every SIGHUP; more that come while it is being done have it done once more.

    From a terminal that is gone the signal means that we are to end.
    """
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    had_terminal = os.isatty(_TERMINAL)

    def heard() -> None:
        if had_terminal and not os.isatty(_TERMINAL):
            os.kill(os.getpid(), signal.SIGTERM)
        asked.set()

    async def each_time() -> None:
        while True:
            await asked.wait()
            asked.clear()
            await do()

    doing = asyncio.create_task(each_time(), name="at a hangup")
    loop.add_signal_handler(signal.SIGHUP, heard)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        doing.cancel()
