"""One Redis server: a pool of connections; answers are bytes, errors are those of redis-py.

Nothing is sent again by itself and no limit of time is redis-py's: its own is an
`asyncio.wait_for`, which on Python 3.11 can swallow a cancellation, and then a task that was told
to stop goes on for good.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.store.commands import Command, Part, plain


class _Packed:
    """A connection whose commands are packed in C: redis-py's own way takes four times as long."""

    def pack_command(self, *command: Part) -> list[bytes]:
        return [hiredis.pack_command(command)]  # type: ignore[arg-type]  # its stub means any tuple


class Server:
    """The connections to one server; safe to share between tasks, connects when first used."""

    def __init__(self, url: str, connect_s: float, connections: int) -> None:
        self.url = url
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=connect_s,
            socket_timeout=None,
            socket_connect_timeout=connect_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        pool.connection_class = type("Connection", (_Packed, pool.connection_class), {})
        self._redis = Redis.from_pool(pool)
        self._redis.response_callbacks.clear()  # raw answers: no dictionary an entry

    async def send(self, *command: Part) -> Any:
        """Send one command and return its answer."""
        execute = self._redis.execute_command
        return await execute(*command)  # type: ignore[no-untyped-call]  # redis-py

    async def send_all(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Send commands in one go; the error of one stands where its answer would.

        Raises instead when atomic and refused as a whole.
        """
        async with self._redis.pipeline(transaction=atomic) as pipeline:
            for command in plain(commands):
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    async def send_everywhere(self, *command: Part) -> dict[str, Any]:
        """Return the answer of every server there is: this one, which has no node id."""
        return {"": await self.send(*command)}

    async def listen(self, channel: str) -> AsyncGenerator[bytes | None, None]:
        """Yield None once subscribed, then each message."""
        async with self._redis.pubsub() as pubsub:
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
