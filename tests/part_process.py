"""A part of the service as a process of its own, which a test may kill."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from tests.launching import environment_with


@contextlib.asynccontextmanager
async def part_process(role: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a part with settings by their names (`redis_url="..."`); its stderr is a pipe."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.part", "--role", role),
        env=environment_with(**settings),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()
