"""What every process does while it runs: keeps its work going, and tells when."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

RESTART_S = 1.0  # between a failure and the next try
# What the supervisor tells those it starts, and no settings: where it listens for "ready", and of
# one of several API workers where it tells the others its figures: a folder, and its name.
READY_FD = "PLIMSOLL_READY_FD"
WORKER_SOCKET = "PLIMSOLL_WORKER_SOCKET"

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


def worker_socket() -> Path | None:
    """Return where this API worker tells the others its figures; None where it is alone."""
    given = os.environ.pop(WORKER_SOCKET, None)
    return None if given is None else Path(given)
