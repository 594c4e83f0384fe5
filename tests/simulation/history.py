"""What the store holds after a run, and what it should: the stream judged from scratch."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.feeds.tape import MarkDoc
from service.risk.model import Mark
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog
from service.store.client import Client
from service.store.market_stream import MarketEntry, MarketStream
from tests.logs import entry_of, order
from tests.reference.entries import Entry
from tests.simulation.subscriber import Alert, digest

SHARDS = 64
_COMPARED = (
    "id",
    "marketId",
    "eventTime",
    "accountId",
    "seq",
    "pool",
    "level",
    "previousLevel",
    "transition",
    "cause",
    "accountVersion",
    "equity",
    "maintenanceMargin",
    "repeatOf",  # of reminders alone
)


@dataclass(slots=True)
class History:
    """Entries of the market stream with everything they refer to, and the log that came of them."""

    entries: list[Entry] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


async def read_history(client: Client) -> History:
    """Read everything back from the store."""
    market = MarketStream(client)
    accounts = Accounts(client, market, SHARDS)
    drained: dict[int, int] = defaultdict(int)
    history = History()
    async for raw in _entries(market):
        history.entries.append(await _resolved(raw, accounts, drained))
    history.alerts = await read_log(client)
    return history


async def _entries(market: MarketStream) -> AsyncIterator[MarketEntry]:
    after = 0
    while rows := await market.read(after, 10_000):
        for row in rows:
            yield row
        after = rows[-1].market_id


async def _resolved(raw: MarketEntry, accounts: Accounts, drained: dict[int, int]) -> Entry:
    if raw.kind != "a":
        return entry_of(raw, ())
    notice = orjson.loads(raw.payload)
    shard, upto = notice["shard"], notice["upto"]
    changes = await accounts.changes(shard, drained[shard], upto, 1_000_000)
    drained[shard] = max(drained[shard], upto)
    return entry_of(raw, changes)


async def read_log(client: Client) -> list[Alert]:
    """Return all alerts in the pinned order: market entry, worse first, account, pool."""
    log = AlertLog(client, SHARDS)
    alerts: list[Alert] = []
    for shard in range(SHARDS):
        after = 0
        while rows := await log.read(shard, after, 1_000):
            alerts += [_kept(alert) for row in rows for alert in orjson.loads(row.alerts)]
            after = rows[-1].offset_last
    return sorted(alerts, key=order)


def _kept(alert: Alert) -> Alert:
    """What is looked at one by one, and a digest of all of it."""
    return {name: alert.get(name) for name in _COMPARED} | {"whole": digest(alert)}


def marks_of(entries: Iterable[Entry]) -> list[tuple[Any, ...]]:
    """The marks of the stream, to be compared with the tape's."""
    return [
        (one.venue, one.symbol, one.mark_price, one.timestamp_ms, one.source)
        for one in (entry.payload for entry in entries)
        if isinstance(one, Mark)
    ]


def marks_of_tape(marks: Iterable[MarkDoc]) -> list[tuple[Any, ...]]:
    return [
        (one["venue"], one["symbol"], one["markPrice"], one["timestamp"], one.get("source", ""))
        for one in marks
    ]
