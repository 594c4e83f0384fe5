"""Stored data has a version: older is brought up step by step, later is refused.

There is no release with another format yet, so the steps here are planted: format 0 keeps each
API key's record reversed, format -1 reversed and with an x before it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from service.errors import StoreUnavailable, WrongFormat
from service.store import formats, keys
from service.store.client import Client, connect
from service.store.commands import Script
from service.store.epoch import settle
from service.store.formats import FORMAT, Step, found_format, migrate
from service.store.health import Roll

pytestmark = pytest.mark.anyio

SHARDS = 4
RECORDS = 6
CHANGE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then " + (
    "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end return -1"
)
SWAP = Script("swap", CHANGE, "0" * 40)  # of no script that the server knows: it is sent the text


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with connect(redis_url) as client:
        yield client


class Killed(Exception):
    """Stands for SIGKILL: nothing after it is done."""


class Steps:
    """The planted steps; `deaths` counts down the writes until they are killed."""

    def __init__(self, deaths: int = 10**6) -> None:
        self.left = deaths
        self.ran: list[int] = []

    @property
    def by_version(self) -> Mapping[int, Step]:
        return {
            -1: Step("drop the x", lambda client, _: self._each(client, -1, b"x-", b"-")),
            0: Step("turn the records round", lambda client, _: self._each(client, 0, b"-", b"")),
        }

    async def _each(self, client: Client, version: int, old: bytes, new: bytes) -> None:
        """Begin records with `new` in place of `old`; one that is so already stays."""
        self.ran.append(version)
        flat = await client.call("HGETALL", keys.API_KEYS)
        for name, value in zip(flat[::2], flat[1::2], strict=True):
            if value.startswith(old):
                await client.run(SWAP, (keys.API_KEYS,), (name, value, new + value[len(old) :]))
                self.left -= 1
                if self.left <= 0:
                    raise Killed


def said(_: str) -> None:
    """Nobody listens."""


async def write_old(client: Client, version: int) -> None:
    """Data of an earlier format."""
    await settle(client, SHARDS)
    await client.call("SET", keys.FORMAT, version)
    prefix = {-1: b"x-", 0: b"-", 1: b""}[version]
    for number in range(RECORDS):
        await client.call("HSET", keys.API_KEYS, f"k{number}", prefix + b"%d" % number)


async def records(client: Client) -> list[bytes]:
    return sorted(await client.call("HVALS", keys.API_KEYS))


RIGHT = [b"%d" % number for number in range(RECORDS)]


async def test_data_is_marked_when_it_is_first_written(client: Client) -> None:
    assert await found_format(client) is None
    await migrate(client, said)
    assert await client.call("EXISTS", keys.FORMAT) == 0
    await settle(client, SHARDS)
    assert await found_format(client) == FORMAT == 1


async def test_data_from_before_there_was_a_mark_is_of_format_one(client: Client) -> None:
    first = await settle(client, SHARDS)
    await client.call("DEL", keys.FORMAT)
    assert await found_format(client) == 1
    assert await settle(client, SHARDS) == first
    assert await client.call("GET", keys.FORMAT) == b"1"


@pytest.mark.parametrize(
    ("found", "why"), [(FORMAT + 1, "by a later release"), (FORMAT - 1, "plimsoll migrate")]
)
async def test_another_format_is_refused_and_left_as_it_is(
    found: int, why: str, client: Client
) -> None:
    await settle(client, SHARDS)
    await client.call("SET", keys.FORMAT, found)
    before = [await client.call("GET", key) for key in (keys.EPOCH, keys.SERVERS)]
    await client.call("DEL", keys.BEGUN)
    with pytest.raises(WrongFormat, match=why):
        await settle(client, SHARDS)
    assert [await client.call("GET", key) for key in (keys.EPOCH, keys.SERVERS)] == before
    assert await client.call("EXISTS", keys.BEGUN) == 0
    with pytest.raises(WrongFormat, match="later release" if found > FORMAT else "cannot bring"):
        await migrate(client, said)
    assert int(await client.call("GET", keys.FORMAT)) == found


async def test_older_data_is_brought_up_step_by_step(client: Client) -> None:
    await write_old(client, -1)
    steps, told = Steps(), list[str]()
    await migrate(client, told.append, steps.by_version)
    assert await records(client) == RIGHT
    assert (steps.ran, len(told)) == ([-1, 0], 2)
    assert "0 to 1" in told[1]
    await settle(client, SHARDS)
    await migrate(client, said, steps.by_version)
    assert steps.ran == [-1, 0]
    assert await client.call("EXISTS", keys.MIGRATING) == 0


@pytest.mark.parametrize("deaths", range(1, 2 * RECORDS + 1))
async def test_killed_at_any_write_it_goes_on_at_the_next_start(
    deaths: int, client: Client
) -> None:
    await write_old(client, -1)
    with pytest.raises(Killed):
        await migrate(client, said, Steps(deaths).by_version)
    with pytest.raises(WrongFormat):
        await settle(client, SHARDS)
    again = Steps()
    await migrate(client, said, again.by_version)
    assert await records(client) == RIGHT
    assert again.ran == ([-1, 0] if deaths <= RECORDS else [0])


async def test_two_at_once_do_it_once(client: Client) -> None:
    await write_old(client, 0)
    steps = Steps()
    await asyncio.gather(*(migrate(client, said, steps.by_version) for _ in range(3)))
    assert await records(client) == RIGHT
    assert steps.ran == [0]


async def test_whoever_loses_the_lock_writes_down_nothing(client: Client) -> None:
    await write_old(client, 0)

    async def slow(client: Client, _: int) -> None:
        await client.call("SET", keys.MIGRATING, "somebody else")

    with pytest.raises(StoreUnavailable, match="another process"):
        await migrate(client, said, {0: Step("too slow", slow)})
    assert await client.call("GET", keys.FORMAT) == b"0"
    assert await client.call("GET", keys.MIGRATING) == b"somebody else"


@pytest.mark.parametrize("at_work", [keys.MONITORS, keys.FEEDS])
async def test_nothing_is_changed_under_those_at_work(
    at_work: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "ENDED_WITHIN_S", 0.0)
    await write_old(client, 0)
    roll = Roll(client, "old-1", at_work)
    await roll.report(b"{}")
    with pytest.raises(WrongFormat, match="stop them first: old-1"):
        await migrate(client, said, Steps().by_version)
    assert await found_format(client) == 0
    await roll.leave()
    await migrate(client, said, Steps().by_version)
    assert await records(client) == RIGHT
