"""Connections to one Redis server, each lent to one caller at a time.

The connections are redis-py's: how to connect, log in, encrypt and parse is its part. Lending them
is ours, for its pool and pipelines take four times the processor's time of the exchange itself, and
every mark and every alert goes through several.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import ConnectionError, RedisError, ResponseError

from service.store.commands import Part


class Connections:
    """At most so many; safe to share between tasks. Nothing is sent again by itself."""

    def __init__(self, url: str, connect_s: float, most: int) -> None:
        self.pool = ConnectionPool.from_url(
            url,
            socket_timeout=None,
            socket_connect_timeout=connect_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=_driver(),
        )
        self._connect_s = connect_s
        self._free = asyncio.Semaphore(most)
        self._idle: list[AbstractConnection] = []
        self._lent: set[AbstractConnection] = set()

    async def exchange(self, commands: Sequence[Sequence[Part]]) -> list[Any]:
        """Send commands in one go and return their answers in order.

        The error of a command stands where its answer would. Raises RedisError when the connection
        was lost: then nobody knows what was done.
        """
        pack = hiredis.pack_command
        packed = [pack(tuple(each)) for each in commands]  # type: ignore[arg-type]  # any tuple
        async with self._one() as connection:
            await connection.send_packed_command(packed, check_health=False)
            return [await _answer(connection) for _ in commands]

    async def aclose(self) -> None:
        """Close every connection, one that is lent too."""
        for connection in (*self._idle, *self._lent):
            await connection.disconnect()
        await self.pool.aclose()

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[AbstractConnection]:
        """Lend a connection that is open and has nothing left to be read."""
        if self._free.locked():
            await self._room()
        else:
            await self._free.acquire()  # at once
        connection = self._idle.pop() if self._idle else self._another()
        self._lent.add(connection)
        try:
            await _opened(connection)
            yield connection
        except BaseException:
            # What was sent may be answered later: whoever came next would take it for its own.
            await connection.disconnect(nowait=True)
            raise
        finally:
            self._lent.discard(connection)
            self._idle.append(connection)
            self._free.release()

    def _another(self) -> AbstractConnection:
        made: AbstractConnection = self.pool.make_connection()  # type: ignore[no-untyped-call]
        return made

    async def _room(self) -> None:
        try:
            async with asyncio.timeout(self._connect_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise ConnectionError("all connections are in use") from error


@cache
def _driver() -> DriverInfo:
    """Return what a server lists our connections as; each would look it up on the disk again."""
    return DriverInfo()


async def _opened(connection: AbstractConnection) -> None:
    """Connect, again when the server has closed it or something was left in it."""
    if connection.is_connected:
        try:
            if not await connection.can_read():
                return
        except (RedisError, OSError):
            pass
        await connection.disconnect(nowait=True)
    await connection.connect()  # type: ignore[no-untyped-call]


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
