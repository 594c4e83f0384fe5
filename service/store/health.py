"""Whether and how fast the store answers, what monitors report: for readyz and metrics."""

import time

from service.store import keys
from service.store.client import Client, at_most

REPORT_GOOD_MS = 5_000
REPORTS_LIVE_MS = 60_000


async def ping(client: Client, timeout_s: float) -> float:
    """Return a round trip's seconds, of a cluster the slowest node's.

    `StoreUnavailable` when a node does not answer in `timeout_s`.
    """
    started = time.perf_counter()
    async with at_most(timeout_s):
        await client.call_everywhere("PING")
    return time.perf_counter() - started


async def report_monitor(client: Client, name: str, figures: bytes) -> None:
    """Leave a monitor's figures (JSON) for whoever asks; they are good for five seconds."""
    good_until = await client.time_ms(keys.MONITORS) + REPORT_GOOD_MS
    value = f"{good_until} ".encode() + figures
    await client.batch(
        [
            ("HSET", keys.MONITORS, name, value),
            ("PEXPIRE", keys.MONITORS, REPORTS_LIVE_MS),
        ],
        atomic=True,
    )


async def forget_monitor(client: Client, name: str) -> None:
    """Take back a monitor's figures: it ends."""
    await client.call("HDEL", keys.MONITORS, name)


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
