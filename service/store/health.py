"""Whether the store answers, and how fast: what readyz asks."""

import time

from service.store.client import Client, at_most


async def ping(client: Client, timeout_s: float) -> float:
    """Return the seconds a round trip takes; `StoreUnavailable` when there is no answer within `timeout_s`."""
    started = time.perf_counter()
    async with at_most(timeout_s):
        await client.call("PING")
    return time.perf_counter() - started
