"""The log level that all processes follow while there is one."""

from service.store import keys
from service.store.client import Client


class LogLevels:
    """One level for all; a step may be sent again: it writes the same."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self) -> tuple[str | None, int]:
        """Return the level, None where each process goes by its settings, and its ms left."""
        level, left_ms = await self._client.batch(
            [("GET", keys.LOG_LEVEL), ("PTTL", keys.LOG_LEVEL)], atomic=True
        )
        return (None, 0) if level is None else (level.decode(), int(left_ms))

    async def put(self, level: str, for_ms: int) -> None:
        """Let it hold for so long."""
        await self._client.call("SET", keys.LOG_LEVEL, level, "PX", for_ms)

    async def drop(self) -> None:
        """Let every process go by its settings."""
        await self._client.call("DEL", keys.LOG_LEVEL)
