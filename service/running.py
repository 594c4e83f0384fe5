"""What every process does while it runs: keeps its work going, the collector calm, tells when."""

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable

from service.settings import Settings

RESTART_S = 1.0  # between a failure and the next try
# A collection looks at every object there is: it lifted the slowest call from 1 to 30 ms.
COLLECT_AFTER = (100_000, 50, 50)
READY_FD = "PLIMSOLL_READY_FD"  # where whoever starts us listens, and not a setting

_log = logging.getLogger("plimsoll.running")


@contextlib.asynccontextmanager
async def kept(**work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep each of `work` running, again after a pause when it fails, until the block ends."""

    async def keep(name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception:
                _log.exception("%s failed and starts again", name)
            await asyncio.sleep(RESTART_S)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(keep(name, run), name=name) for name, run in work.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def tell_ready() -> None:
    """Tell whoever has started this process, once, that it does its work now."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))


def calm_collector() -> None:
    """Take what the start made out of the garbage collector's sight, and let it look seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def log_to_stderr(settings: Settings) -> None:
    """Show what a part of the service logs."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s:     %(message)s")
