"""A small market with accounts of every kind and venue, played through a real store."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from service.audit.auditor import Auditor
from service.contract.accounts import decode_document, encode_document
from service.contract.instruments import decode_instrument, encode_instrument
from service.contract.marks import encode_mark
from service.risk.model import Mark
from service.risk.venues import RULES
from service.store.history import History
from service.store.keys import tenant_key
from service.store.log_entries import split_alerts
from service.store.market_stream import NewMark
from tests.monitor.test_service import PATIENCE_S
from tests.simulation.population import Listing, account_bodies, instrument_body
from tests.store.stores import SHARDS, Store

TIERS = [[0, 5_000, 0.01, 50, 0], [5_000, 50_000, 0.025, 20, 75], [50_000, 9e9, 0.1, 5, 3_825]]
LISTINGS = [
    Listing("generic", "BTC/USDT:USDT", "BTC", "USDT", True, 60_000.0),
    Listing("generic", "SOL/USDT:USDT", "SOL", "USDT", True, 200.0),
    Listing("generic", "BTC/USD:BTC", "BTC", "BTC", False, 60_000.0),
    Listing("generic", "ETH/USD:USD", "ETH", "USD", True, 4_000.0),
]
FORMS: list[dict[str, Any]] = [{}, {"tiering": "whole"}, {"tierUnit": "contracts"}]
CAUSES = ("account", "deposit", "funding", "withdrawal")
STEP_MS = 400


def auditor_over(store: Store) -> Auditor:
    return Auditor(History(store.client, SHARDS), store.market)


async def list_markets(store: Store, form: int = 0) -> None:
    """Write the markets' terms; a form is another way to write margin tiers."""
    bodies = [instrument_body(one, TIERS) | FORMS[form] for one in LISTINGS]
    listed = [decode_instrument(orjson.dumps(body)) for body in bodies]
    await store.market.append_instruments(
        [(one.venue, one.symbol, encode_instrument(one)) for one in listed]
    )


def documents(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield accounts of every kind, of all venues in turn."""
    venues = list(RULES)
    for number, body in enumerate(account_bodies(count, seed, LISTINGS)):
        name = tenant_key("default", body.pop("id"))
        body["venue"] = venues[number % len(venues)]
        yield name, encode_document(decode_document(orjson.dumps(body)))


class Market:
    """Marks that wander over the listings, a step at a time; accounts are written in between."""

    def __init__(self, store: Store, seed: int, accounts: int = 60) -> None:
        self._store = store
        self._chance = np.random.default_rng(seed)
        self._marks = [one.first_price for one in LISTINGS]
        self._seed, self._accounts = seed, accounts
        self.time_ms = 1_000_000

    async def play(self, steps: int) -> None:
        """Go on by so many steps."""
        for _ in range(steps):
            self.time_ms += STEP_MS
            if self._chance.random() < 0.02:
                self.time_ms += 15_000  # long enough for what is silent to be stale
            await self._post(int(self._chance.integers(len(LISTINGS))))
            if self._chance.random() < 0.2:
                await self._write()
            if self._chance.random() < 0.02:
                await list_markets(self._store, int(self._chance.integers(len(FORMS))))

    async def _post(self, number: int) -> None:
        first, chance = LISTINGS[number].first_price, self._chance
        mark = self._marks[number] * float(np.exp(chance.normal(0.0, 0.05)))
        self._marks[number] = min(max(mark, 0.4 * first), 2.5 * first)
        index = self._marks[number] * 1.001 if chance.random() < 0.5 else None
        symbol = LISTINGS[number].symbol
        payload = encode_mark(Mark(symbol, self._marks[number], "generic", index))
        await self._store.market.append_marks([NewMark("generic", symbol, payload, self.time_ms)])

    async def _write(self) -> None:
        self._seed += 1
        written = list(documents(self._accounts, self._seed))
        name, doc = written[int(self._chance.integers(len(written)))]
        if self._chance.random() < 0.2 and await self._store.accounts.get(name):
            await self._store.accounts.delete(name)
        else:
            await self._store.accounts.put(name, doc, str(self._chance.choice(CAUSES)))


async def followed(store: Store) -> None:
    """Return once the monitor has committed all that there is."""
    end, _ = await store.market.tail()
    deadline = time.monotonic() + PATIENCE_S
    while await store.log.committed() < end:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def alerts_of(store: Store) -> list[dict[str, Any]]:
    """Return all alerts that are in the log."""
    entries = await store.log.read_many([(shard, 0) for shard in range(SHARDS)], 1_000_000)
    return [
        orjson.loads(alert)
        for shard in entries
        for entry in shard
        for alert in split_alerts(entry.alerts)
    ]
