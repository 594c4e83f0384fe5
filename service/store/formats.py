"""In which version the store is written, and how older data becomes what this release reads.

All keys together have one version, `keys.FORMAT`. A release reads and writes one; it refuses data
of a later one, and of an older one until `migrate` has brought it up, step by step. Releases of one
format work beside each other on one store; those of two never do.

A step may be killed anywhere and is then run again from its beginning, maybe while its former
runner still writes its last: so it changes a record only while that is what it has read (a script
compares and writes), and finds nothing to do where it has been. When it is through, the version
goes up by one.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import StoreUnavailable, WrongFormat
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script
from service.store.health import members

FORMAT = 1
LOCK_MS = 30_000
ENDED_WITHIN_S = 5.0  # the reports of monitors that were killed are good for two more
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """Brings data from one version to the next; `run` gets the number of shards."""

    what: str
    run: Callable[[Client, int], Awaitable[None]]


STEPS: Mapping[int, Step] = {}  # by the version they begin with; format 1 is the first


def refuse_other(found: int, written: int = FORMAT) -> None:
    """Raise `WrongFormat` unless data of the version `found` is what we read and write."""
    if found > written:
        raise WrongFormat(
            f"this data is of format {found}, written by a later release; this one reads and writes"
            f" {written}: run the later release, or restore a backup from before it"
        )
    if found < written:
        raise WrongFormat(
            f"this data is of format {found}, of an earlier release; this one reads and writes"
            f" {written}: stop whatever runs over it, make a backup, then run `plimsoll migrate`"
        )


async def refuse_other_data(client: Client) -> None:
    """Raise `WrongFormat` where there is data that is not what we read and write."""
    found = await found_format(client)
    if found is not None:
        refuse_other(found)


async def found_format(client: Client) -> int | None:
    """Return the version of the data; None where there is none yet. Writes nothing."""
    mark, shards = await client.batch([("GET", keys.FORMAT), ("GET", keys.SHARD_COUNT)])
    if mark is not None:
        return int(mark)
    return None if shards is None else 1  # from before there was a mark


def steps_between(found: int, steps: Mapping[int, Step], written: int) -> list[Step]:
    """Return what is to be run; `WrongFormat` where the data is of a later version."""
    if found > written:
        refuse_other(found, written)
    missing = [version for version in range(found, written) if version not in steps]
    if missing:
        raise WrongFormat(f"this release cannot bring data of format {found} up to {written}")
    return [steps[version] for version in range(found, written)]


async def migrate(
    client: Client,
    say: Callable[[str], None],
    steps: Mapping[int, Step] = STEPS,
    written: int = FORMAT,
) -> None:
    """Bring the data up to the version `written`, whatever was done of it before.

    Raises `WrongFormat` when it is of a later version, or when monitors or feeds work over it: they
    would write as they did before.
    """
    found = await found_format(client)
    if found is None or not steps_between(found, steps, written):
        return
    await _nobody_works(client)

    async def work(token: str) -> None:
        shards = int(await client.call("GET", keys.SHARD_COUNT))
        found = await found_format(client)  # another one may have been at it before us
        assert found is not None
        for version, step in enumerate(steps_between(found, steps, written), start=found):
            say(f"format {version} to {version + 1}: {step.what}")
            await step.run(client, shards)
            await _advance(client, token, version)

    await _alone(client, work)


async def _nobody_works(client: Client) -> None:
    """Return once no monitor or feed reports; `WrongFormat` when some go on."""
    deadline = asyncio.get_running_loop().time() + ENDED_WITHIN_S
    while names := [*await members(client), *await members(client, keys.FEEDS)]:
        if asyncio.get_running_loop().time() > deadline:
            at_work = ", ".join(sorted(names))
            raise WrongFormat(f"others work over this data, stop them first: {at_work}")
        await asyncio.sleep(_LOOK_S)


async def _alone(client: Client, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Do `work` under the lock, which it gets by its token, and end it when the lock is lost."""
    token = secrets.token_hex(8)

    while True:
        if await client.call("SET", keys.MIGRATING, token, "NX", "PX", LOCK_MS) is not None:
            break
        await asyncio.sleep(_LOOK_S)

    async def keep() -> None:
        while True:
            await asyncio.sleep(LOCK_MS / 4_000.0)
            if not await _held(client, token, LOCK_MS):
                raise StoreUnavailable("another process has begun to migrate")

    tasks = asyncio.create_task(work(token)), asyncio.create_task(keep())
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        with contextlib.suppress(StoreUnavailable):
            await _held(client, token, 0)


async def _held(client: Client, token: str, for_ms: int) -> bool:
    """Keep the lock for so long more, 0 gives it back; False when it is not ours."""
    script = load_script("hold_migration")
    return bool(await client.run(script, (keys.MIGRATING,), (token, for_ms)))


async def _advance(client: Client, token: str, version: int) -> None:
    """Write down that a step is through."""
    names = (keys.FORMAT, keys.MIGRATING)
    script = load_script("advance_format")
    if not await client.run(script, names, (token, version, version + 1)):
        raise StoreUnavailable("another process has begun to migrate")
