"""One Redis server: a pool of connections; answers are bytes, errors are those of redis-py.

No limit of time is redis-py's: its own is an `asyncio.wait_for`, which on Python 3.11 can swallow a
cancellation, and then a task that was told to stop goes on for good.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.store.commands import Command, Message, Part, plain
from service.store.connections import Connections

_BEGIN, _EXECUTE = ("MULTI",), ("EXEC",)


class Server:
    """The connections to one server; safe to share between tasks, connects when first used."""

    def __init__(self, url: str, connect_s: float, connections: int) -> None:
        self.url = url
        self._connections = Connections(url, connect_s, connections)

    async def send(self, *command: Part) -> Any:
        """Send one command and return its answer."""
        (answer,) = await self._connections.exchange([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def send_all(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Send commands in one go; the error of one stands where its answer would.

        Raises instead when atomic and refused as a whole.
        """
        if not commands:
            return []
        if not atomic:
            return await self._connections.exchange(plain(commands))
        *taken, answers = await self._connections.exchange([_BEGIN, *plain(commands), _EXECUTE])
        if isinstance(answers, Exception):
            raise next((each for each in taken if isinstance(each, Exception)), answers)
        executed: list[Any] = answers
        return executed

    async def send_everywhere(self, *command: Part) -> dict[str, Any]:
        """Return the answer of every server there is: this one, which has no node id."""
        return {"": await self.send(*command)}

    async def listen(self, *channels: str) -> AsyncGenerator[Message | None, None]:
        """Yield None once subscribed, then each message of any of the channels."""
        async with Redis(connection_pool=self._connections.pool).pubsub() as pubsub:
            await pubsub.subscribe(*channels)
            subscribed = 0
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    subscribed += 1
                    if subscribed == len(channels):
                        yield None
                elif message["type"] == "message":
                    yield Message(message["channel"].decode(), message["data"])

    async def aclose(self) -> None:
        """Close every connection; a server that is gone does not matter any more."""
        with contextlib.suppress(RedisError, OSError):
            await self._connections.aclose()
