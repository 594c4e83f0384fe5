"""Whether and how fast the store answers, and which monitors are there with what they report.

The reports are the list of members by which monitors share out the shards: a report is good for as
long as a lease, so that who is dead is neither counted nor owns anything. readyz and metrics read
the same list.
"""

import time

from service.store import keys
from service.store.alert_log import LEASE_MS
from service.store.client import Client, at_most

REPORTS_LIVE_MS = 60_000


async def ping(client: Client, timeout_s: float) -> float:
    """Return a round trip's seconds, of a cluster the slowest node's.

    `StoreUnavailable` when a node does not answer in `timeout_s`.
    """
    started = time.perf_counter()
    async with at_most(timeout_s):
        await client.call_everywhere("PING")
    return time.perf_counter() - started


async def monitors(client: Client) -> dict[str, bytes]:
    """Return the newest figures (JSON) of live monitors, by name; the dead ones' are dropped."""
    flat, now_ms = await client.call("HGETALL", keys.MONITORS), await client.time_ms(keys.MONITORS)
    live, dead = {}, []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        good_until, _, figures = value.partition(b" ")
        if int(good_until) >= now_ms:
            live[name.decode()] = figures
        else:
            dead.append(name)
    if dead:
        await client.call("HDEL", keys.MONITORS, *dead)
    return live


class Roll:
    """The list of monitors as one of them sees it."""

    def __init__(self, client: Client, name: str) -> None:
        self.name = name
        self._client = client

    async def report(self, figures: bytes) -> None:
        """Say that we are here, and how we are (JSON); it is good for a lease's time."""
        good_until = await self._client.time_ms(keys.MONITORS) + LEASE_MS
        value = f"{good_until} ".encode() + figures
        await self._client.batch(
            [
                ("HSET", keys.MONITORS, self.name, value),
                ("PEXPIRE", keys.MONITORS, REPORTS_LIVE_MS),
            ],
            atomic=True,
        )

    async def members(self) -> dict[str, bytes]:
        """Return the newest figures of all that are here."""
        return await monitors(self._client)

    async def leave(self) -> None:
        """Say that we end."""
        await self._client.call("HDEL", keys.MONITORS, self.name)
