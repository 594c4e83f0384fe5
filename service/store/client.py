"""The one door to Redis: whatever fails there leaves as `StoreUnavailable`.

No client here retries by itself: a reply that is lost after the write would apply the write twice.
Whoever may send again (a commit with its number, a producer with its batch) does so knowingly.
Commands are sent raw and answers are bytes, as the server gives them.

A script is one file of `scripts/`, an atomic step. Functions that several scripts use are in
`preludes/`; a line `-- needs: chunks, numbers` in a script asks for them.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from service.errors import StoreUnavailable

Part: TypeAlias = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua file of `scripts/`: an atomic step over keys of one slot."""

    name: str
    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script with its keys and arguments, to be sent in a batch."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Part]


Command: TypeAlias = Sequence[Part] | ScriptCall

_NEEDS = re.compile(r"^-- needs: (.+)$", re.MULTILINE)


@cache
def load_script(name: str) -> Script:
    """Read `scripts/<name>.lua`, put behind the preludes that its `-- needs:` line names."""
    text = _read_lua("scripts", name)
    needed = _NEEDS.search(text)
    preludes = needed[1].split(", ") if needed else []
    text = "\n".join([*(_read_lua("preludes", prelude) for prelude in preludes), text])
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read_lua(folder: str, name: str) -> str:
    return files("service.store").joinpath(folder, f"{name}.lua").read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def unavailable_on_failure(timeout_s: float | None) -> AsyncIterator[None]:
    """Turn every failure of the server, or no answer in time, into `StoreUnavailable`."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise StoreUnavailable("Redis did not answer in time") from error
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"Redis did not do it: {error}") from error


class Client:
    """A pool of connections to one server; safe to share between tasks.

    The limit of time is ours: redis-py's own is an `asyncio.wait_for`, which on Python 3.11 can
    swallow a cancellation, and then a task that was told to stop goes on for good.
    """

    def __init__(self, redis: Redis, timeout_s: float | None) -> None:
        self._redis = redis
        self._timeout_s = timeout_s

    async def call(self, *command: Part) -> Any:
        """Send one command and return its answer."""
        async with unavailable_on_failure(self._timeout_s):
            return await self._send(*command)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Part]) -> Any:
        """Run a script by its hash; a server that does not know it gets the text."""
        tail = (len(keys), *keys, *arguments)
        async with unavailable_on_failure(self._timeout_s):
            try:
                return await self._send("EVALSHA", script.sha, *tail)
            except NoScriptError:
                return await self._send("EVAL", script.text, *tail)

    async def _send(self, *command: Part) -> Any:
        execute = self._redis.execute_command
        return await execute(*command)  # type: ignore[no-untyped-call]  # redis-py

    async def batch(self, commands: Iterable[Command], *, atomic: bool = False) -> list[Any]:
        """Send commands in one go and return their answers in order.

        Not atomic as a whole unless asked for (then all keys must be in one slot). The first use of
        each script carries its text, so that none can be unknown half way through.
        """
        known: set[str] = set()
        async with (
            unavailable_on_failure(self._timeout_s),
            self._redis.pipeline(transaction=atomic) as pipeline,
        ):
            for command in commands:
                pipeline.execute_command(*_plain(command, known))
            answers: list[Any] = await pipeline.execute()
        return answers

    async def listen(self, channel: str) -> AsyncIterator[bytes | None]:
        """Yield None once subscribed, then each message; needs a client of `connect_blocking`."""
        async with unavailable_on_failure(None), self._redis.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    yield None
                elif message["type"] == "message":
                    yield message["data"]

    async def aclose(self) -> None:
        """Close every connection; a server that is gone does not matter any more."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _plain(command: Command, known: set[str]) -> Sequence[Part]:
    if not isinstance(command, ScriptCall):
        return command
    script, tail = command.script, (len(command.keys), *command.keys, *command.arguments)
    if script.sha in known:
        return ("EVALSHA", script.sha, *tail)
    known.add(script.sha)
    return ("EVAL", script.text, *tail)


def connect(url: str, *, timeout_s: float = 5.0, connections: int = 64) -> Client:
    """Return a client of the server at `url` (redis://, rediss:// or unix://).

    It connects when first used. No answer within `timeout_s` is a failure; more than `connections`
    calls at a time wait for one another.
    """
    return Client(_redis(url, timeout_s, connections), timeout_s)


def connect_blocking(url: str, *, timeout_s: float = 5.0, connections: int = 8) -> Client:
    """Return a client for commands that wait at the server.

    `timeout_s` is for connecting; an answer may take any time.
    """
    return Client(_redis(url, timeout_s, connections), None)


def _redis(url: str, connect_s: float, connections: int) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=connect_s,
        socket_timeout=None,
        socket_connect_timeout=connect_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    redis = Redis.from_pool(pool)
    redis.response_callbacks.clear()  # raw answers: no dictionary an entry
    return redis


def at_most(seconds: float) -> AbstractAsyncContextManager[None]:
    """Limit a wait at the server from our side: a half-dead connection must not hold us."""
    return unavailable_on_failure(seconds)
