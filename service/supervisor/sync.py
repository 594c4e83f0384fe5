"""`plimsoll serve --role sync`: the process that keeps accounts as their venues say, put together.

It writes by the service's public calls, with the key of one tenant. Of the store it only needs the
list of processes, so that metrics and readyz know of it; without one it keeps accounts all the
same.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from service.running import kept
from service.settings import Settings
from service.store import keys
from service.store.client import connect
from service.store.health import Roll
from service.supervisor.extras import configured_of
from service.supervisor.reports import keep_reporting
from service.sync.account_sync import AccountSync
from service.sync.configured import Configured
from service.sync.exchange import Exchange

CALL_TIMEOUT_S = 30.0
URL_DEFAULT = "http://127.0.0.1:8000"

_log = logging.getLogger("plimsoll.sync")


async def run_sync(settings: Settings) -> None:
    """Keep the accounts of `sync_file` until cancelled."""
    configured = configured_of(settings)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a call, all day
    async with AsyncExitStack() as stack:
        syncs = await stack.enter_async_context(opened(settings, configured))
        client = None
        if settings.redis_url is not None:
            client = await stack.enter_async_context(connect(settings.redis_url))
        _log.info("keeping %s", ", ".join(one.name for one in syncs))
        async with kept(**{f"sync of {one.name}": one.run for one in syncs}):
            if client is None:
                await asyncio.Event().wait()
            else:
                roll = Roll(client, _process(), keys.SYNCS)
                await keep_reporting(roll, lambda: {one.name: one.figures() for one in syncs})


@asynccontextmanager
async def opened(settings: Settings, configured: Configured) -> AsyncIterator[list[AccountSync]]:
    """Open what each account needs; all of it is closed with the block."""
    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {configured.token}"} if configured.token else {}
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=configured.url or settings.sync_url or URL_DEFAULT,
                headers=headers,
                timeout=CALL_TIMEOUT_S,
                trust_env=False,
            )
        )
        syncs = []
        for account in configured.accounts:
            venue = await stack.enter_async_context(Exchange(account))
            syncs.append(AccountSync(account, venue, client))
        yield syncs


def _process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"
