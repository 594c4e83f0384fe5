"""A service with some hundred accounts and keys in force, and a market that does as it is told."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.demo import markets
from service.demo.accounts import demo_accounts
from service.demo.loading import load_accounts, load_market
from service.feeds.synthetic import SyntheticMarket
from tests.e2e.running_service import RunningService

KEY = "a-key-that-may-do-everything"
ACCOUNTS = 600
EVERY_S = 0.5
ANSWERED_S = 60.0  # a call, on whatever machine
WIGGLE = 0.0001
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Desk:
    """The service, and its market: all marks again and again, at `level` of where they began."""

    def __init__(self, service: RunningService) -> None:
        self.service, self.url = service, service.url
        self.level = 1.0
        self.rounds = 0  # of marks that were taken
        self.wiggle = WIGGLE  # some figures move with every mark
        self.http = httpx.Client(
            base_url=service.url, headers=HEADERS, timeout=ANSWERED_S, trust_env=False
        )
        self._first = [
            {
                "venue": mark["venue"],
                "symbol": mark["symbol"],
                "markPrice": float(mark["markPrice"]),
            }
            for mark in self.get("/v1/marks")["marks"]
        ]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._market)

    def get(self, path: str, **query: Any) -> Any:
        response = self.http.get(path, params=query)
        assert response.is_success, response.text
        return response.json()

    def is_called(self, name: str) -> bool:
        """Whether an account has a pool that must be topped up now."""
        pools = self.get(f"/v1/accounts/{name}/risk")["pools"]
        return any(pool["level"] == "MARGIN_CALL" for pool in pools)

    def _market(self) -> None:
        with httpx.Client(base_url=self.url, headers=HEADERS, trust_env=False) as client:
            turns = itertools.count()
            while not self._stop.wait(EVERY_S):
                moved = self.level * (1.0 + self.wiggle * (next(turns) % 2))
                marks = [one | {"markPrice": self._price(one, moved)} for one in self._first]
                try:
                    client.post("/v1/marks", json={"marks": marks})
                except httpx.TransportError:
                    continue  # the worker was killed: the next ones find another
                self.rounds += 1

    @staticmethod
    def _price(mark: dict[str, Any], moved: float) -> float:
        stands = mark["symbol"] in ("USDT/USD", "USDC/USD")
        return float(mark["markPrice"]) * (1.0 if stands else moved)

    def __enter__(self) -> "Desk":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.http.close()


async def _load(url: str) -> None:
    async with httpx.AsyncClient(
        base_url=url, headers=HEADERS, timeout=ANSWERED_S, trust_env=False
    ) as client:
        await load_market(client, SyntheticMarket(markets.assets(), 7))
        async for _ in load_accounts(client, demo_accounts(ACCOUNTS, 7)):
            pass


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """Start it all, and stop it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PLIMSOLL_BOOTSTRAP_KEY", KEY)
        service = RunningService(folder)
    try:
        asyncio.run(_load(service.url))
        with Desk(service) as desk:
            yield desk
    finally:
        service.process.terminate()
        service.ended()
