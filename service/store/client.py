"""The one door to Redis: whatever fails there leaves as `StoreUnavailable`.

No client here retries by itself: a reply that is lost after the write would apply the write twice.
Whoever may send again (a commit with its number, a producer with its batch) does so knowingly.
Commands are sent raw and answers are bytes, as the server gives them. Behind the door is one server
or a cluster of them: nobody else needs to know.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from service.errors import StoreUnavailable
from service.store.cluster import Cluster, open_servers, seeds_of
from service.store.commands import Command, Message, Part, Script, load_script
from service.store.server import Server


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
    """Connections to a server, or to every node of a cluster; safe to share between tasks.

    Which of them it is shows at the first use. The limit of time is ours and is for a whole call,
    with every node it asks.
    """

    def __init__(
        self, url: str, timeout_s: float | None, connect_s: float, connections: int
    ) -> None:
        def open_server(at: str) -> Server:
            return Server(at, connect_s, connections)

        self._open = open_server
        self._seeds = [open_server(seed) for seed in seeds_of(url)]
        self._servers: Server | Cluster | None = None
        self._timeout_s = timeout_s

    async def _reached(self) -> Server | Cluster:
        if self._servers is None:
            found = await open_servers(self._seeds, self._open)
            if self._servers is None:  # no other task was faster
                self._servers = found
        return self._servers

    async def is_cluster(self) -> bool:
        """Whether there are several servers that share the keys out."""
        async with unavailable_on_failure(self._timeout_s):
            return isinstance(await self._reached(), Cluster)

    async def call(self, *command: Part) -> Any:
        """Send one command and return its answer."""
        async with unavailable_on_failure(self._timeout_s):
            return await (await self._reached()).send(*command)

    async def call_everywhere(self, *command: Part) -> dict[str, Any]:
        """Send one command to every server that holds data; return the answers by node id.

        A server that is in no cluster has the id "".
        """
        async with unavailable_on_failure(self._timeout_s):
            return await (await self._reached()).send_everywhere(*command)

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Part]) -> Any:
        """Run a script by its hash; a server that does not know it gets the text."""
        tail = (len(keys), *keys, *arguments)
        async with unavailable_on_failure(self._timeout_s):
            servers = await self._reached()
            try:
                return await servers.send("EVALSHA", script.sha, *tail)
            except NoScriptError:
                return await servers.send("EVAL", script.text, *tail)

    async def batch(self, commands: Iterable[Command], *, atomic: bool = False) -> list[Any]:
        """Send commands in one go and return their answers in order.

        Not atomic as a whole unless asked for (then all keys must be in one slot), and in order
        only among those of one server.
        """
        async with unavailable_on_failure(self._timeout_s):
            servers = await self._reached()
            answers = await servers.send_all(list(commands), atomic=atomic)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers

    async def time_ms(self, key: str) -> int:
        """Return the clock of the server that holds `key`: what is beside it goes by that."""
        return int(await self.run(load_script("read_clock"), (key,), ()))

    async def listen(self, *channels: str) -> AsyncGenerator[Message | None, None]:
        """Yield None once subscribed, then each message; needs a client of `connect_blocking`."""
        async with unavailable_on_failure(None):
            servers = await self._reached()
            async with aclosing(servers.listen(*channels)) as messages:
                async for message in messages:
                    yield message

    async def aclose(self) -> None:
        """Close every connection."""
        if self._servers is not None:
            await self._servers.aclose()
        for seed in self._seeds:
            await seed.aclose()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def connect(url: str, *, timeout_s: float = 5.0, connections: int = 64) -> Client:
    """Return a client of the server at `url` (redis://, rediss:// or unix://) or of its cluster.

    It connects when first used. No answer within `timeout_s` is a failure; more than `connections`
    calls at a time wait for one another. Of a cluster several nodes may be named, with commas.
    """
    return Client(url, timeout_s, timeout_s, connections)


def connect_blocking(url: str, *, timeout_s: float = 5.0, connections: int = 8) -> Client:
    """Return a client for commands that wait at the server.

    `timeout_s` is for connecting; an answer may take any time.
    """
    return Client(url, None, timeout_s, connections)


def at_most(seconds: float) -> AbstractAsyncContextManager[None]:
    """Limit a wait at the server from our side: a half-dead connection must not hold us."""
    return unavailable_on_failure(seconds)
