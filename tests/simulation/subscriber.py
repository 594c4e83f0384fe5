"""A WebSocket client of all alerts: cut off at will, it resumes where it stopped."""

import asyncio
import contextlib
import hashlib
import random
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

Alert = dict[str, Any]


def digest(alert: Alert) -> bytes:
    """Stands for all of an alert: a long run has hundreds of thousands of them."""
    return hashlib.blake2b(orjson.dumps(alert), digest_size=16).digest()


class Subscriber:
    """Collects alerts once by id; `doubled` counts those sent again after a resume."""

    def __init__(self, url: str, accounts: list[str] | None = None) -> None:
        self.url = url.replace("http", "ws", 1) + "/v1/stream"
        self.accounts = accounts or ["*"]
        self.alerts: dict[str, bytes] = {}  # digests by id
        self.doubled = 0
        self.unrecovered = 0
        self.out_of_order = 0
        self.connections = 0
        self.cursor: str | None = None
        self._seen: dict[str, int] = {}

    async def follow(self, cut_every_s: float | None = None, seed: int = 0) -> None:
        """Run until cancelled; `cut_every_s`: abort the socket at random about so often."""
        chance = random.Random(seed)
        while True:
            limit = None if cut_every_s is None else chance.expovariate(1.0 / cut_every_s)
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                await self._connection(limit)
            await asyncio.sleep(0.05)

    async def _connection(self, limit_s: float | None) -> None:
        socket = await connect(self.url, max_size=2**22, open_timeout=5)
        self.connections += 1
        try:
            async with asyncio.timeout(limit_s):
                await self._read(socket)
        finally:
            socket.transport.abort()

    async def _read(self, socket: ClientConnection) -> None:
        subscribe: dict[str, Any] = {"op": "subscribe", "id": "1", "channel": "alerts"}
        subscribe["accounts"] = self.accounts
        if self.cursor is not None:
            subscribe["since"] = self.cursor
        await socket.send(orjson.dumps(subscribe).decode())
        async for raw in socket:
            self._take(orjson.loads(raw))

    def _take(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "subscribed":
                self.unrecovered += self.cursor is not None and not frame["recovered"]
                self.cursor = self.cursor or frame["cursor"]
            case "alerts":
                for alert in frame["alerts"]:
                    self._keep(alert)
                self.cursor = frame["cursor"]
            case "heartbeat":
                self.cursor = frame["cursor"]

    def _keep(self, alert: Alert) -> None:
        if alert["id"] in self.alerts:
            self.doubled += 1
            return
        last = self._seen.get(alert["accountId"], 0)
        self.out_of_order += alert["seq"] <= last
        self._seen[alert["accountId"]] = alert["seq"]
        self.alerts[alert["id"]] = digest(alert)
