"""Whether and how fast the store answers, and who is there: monitors and feeds, with their reports.

The monitors' reports are the list of members by which they share out the shards: a report is good
for as long as a lease, so that who is dead is neither counted nor owns anything. readyz and metrics
read the same lists.
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


async def members(client: Client, key: str = keys.MONITORS) -> dict[str, bytes]:
    """Return the newest figures (JSON) of those alive, by name; the dead ones' are dropped.

    `key` is the list that is asked: `keys.MONITORS`, `keys.FEEDS` or `keys.SYNCS`.
    """
    flat, now_ms = await client.call("HGETALL", key), await client.time_ms(key)
    live, dead = {}, []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        good_until, _, figures = value.partition(b" ")
        if int(good_until) >= now_ms:
            live[name.decode()] = figures
        else:
            dead.append(name)
    if dead:
        await client.call("HDEL", key, *dead)
    return live


class Roll:
    """The list of monitors, or of feeds, as one of them sees it."""

    def __init__(self, client: Client, name: str, key: str = keys.MONITORS) -> None:
        self.name = name
        self._client = client
        self._key = key

    async def report(self, figures: bytes) -> None:
        """Say that we are here, and how we are (JSON); it is good for a lease's time."""
        good_until = await self._client.time_ms(self._key) + LEASE_MS
        value = f"{good_until} ".encode() + figures
        await self._client.batch(
            [
                ("HSET", self._key, self.name, value),
                ("PEXPIRE", self._key, REPORTS_LIVE_MS),
            ],
            atomic=True,
        )

    async def members(self) -> dict[str, bytes]:
        """Return the newest figures of all that are here."""
        return await members(self._client, self._key)

    async def leave(self) -> None:
        """Say that we end."""
        await self._client.call("HDEL", self._key, self.name)
