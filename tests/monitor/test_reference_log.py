"""The monitor's log beside the reference's: two programs that share no formula, the same alerts."""

import asyncio
from fractions import Fraction
from typing import Any

import orjson
from hypothesis import assume, given

from service.contract.accounts import decode_account
from service.contract.instruments import decode_instrument
from service.contract.marks import decode_mark
from service.risk.model import Account
from service.store.market_stream import MarketEntry
from tests.agreement import scale
from tests.monitor.fake_store import SHARDS, FakeStore
from tests.monitor.streams import Step, streams
from tests.monitor.test_incremental import run
from tests.reference.log import Change, Entry, ExactEvaluator, Logged, LogWriter, Quality
from tests.reference.pools import Pool, figures, pools_of
from tests.reference.world import World
from tests.strategies import effort

TIE = Fraction(1, 10**12)  # of a pool's scale: floats and fractions may see a line differently


def payload_of(entry: MarketEntry, changes: tuple[Change, ...]) -> Any:
    match entry.kind:
        case "m":
            return decode_mark(entry.payload)
        case "i":
            return decode_instrument(entry.payload)
        case "q":
            told = orjson.loads(entry.payload)
            return Quality(told["venue"], told["symbol"], told["stale"])
        case "a":
            return changes
    return None


def entries_of(store: FakeStore, shard: int) -> list[Entry]:
    """The market stream as one shard reads it: other shards' account changes only pass the time."""
    drained, found = 0, []
    for entry in store.entries:
        changes: tuple[Change, ...] = ()
        if entry.kind == "a":
            told = orjson.loads(entry.payload)
            if told["shard"] == shard:
                rows = store.shards[shard].changes[drained : told["upto"]]
                drained = max(drained, told["upto"])
                changes = tuple(
                    Change(
                        row.account_key,
                        None if row.doc is None else decode_account(row.doc, row.account_key),
                        row.cause,
                        row.version,
                    )
                    for row in rows
                )
        payload = payload_of(entry, changes)
        found.append(Entry(entry.market_id, entry.event_time_ms, payload))
    return found


def line_of(logged: Logged) -> tuple[object, ...]:
    pool = {"kind": logged.pool.kind, "settle": logged.pool.settle}
    if logged.pool.kind == "isolated":
        pool |= {"symbol": logged.pool.symbol, "side": logged.pool.side}
    return (
        logged.market_id,
        logged.event_time_ms,
        logged.account_key.removeprefix("default/"),
        logged.seq,
        pool,
        logged.level.name,
        logged.previous.name,
        logged.transition,
        logged.cause,
        logged.version,
    )


def lines_of(log: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    names: tuple[str, ...] = (
        "marketId",
        "eventTime",
        "accountId",
        "seq",
        "pool",
        "level",
        "previousLevel",
    )
    names += ("transition", "cause", "accountVersion")
    return [tuple(alert[name] for name in names) for alert in log]


class TieFinder(ExactEvaluator):
    """Notices whether any pool ever stood on a line, as near as rounding goes."""

    def __init__(self) -> None:
        self.world = World()
        super().__init__(self.world)
        self.held: dict[str, Account] = {}
        self.found = False

    def replace(self, account_key: str, account: Account | None) -> None:
        super().replace(account_key, account)
        self.held.pop(account_key, None)
        if account is not None:
            self.held[account_key] = account

    def judge(self) -> Any:
        for account in self.held.values():
            pools = pools_of(account, self.world)
            self.found |= any(is_tied(pool) for pool in pools)
        return super().judge()


def is_tied(pool: Pool) -> bool:
    worth = figures(pool)
    if worth is None or not pool.legs:
        return False
    lines = pool.thresholds
    rises = [Fraction(line) for line in (lines.warning, lines.margin_call, 1.0)]
    falls = [rise - Fraction(lines.hysteresis) for rise in rises]
    gaps = [worth.maintenance - line * worth.equity for line in rises + falls]
    allowed = TIE * scale(pool, worth)
    return min(abs(gap) for gap in (*gaps, worth.equity)) <= allowed


def log_of(evaluator: ExactEvaluator, entries: list[Entry]) -> list[tuple[object, ...]]:
    writer = LogWriter(evaluator)
    for entry in entries:
        writer.feed(entry)
    return [line_of(logged) for logged in writer.log]


@effort(40, 1_000)
@given(streams())
def test_the_monitor_logs_what_the_reference_does(steps: list[Step]) -> None:
    store = FakeStore()
    asyncio.run(run(store, steps))
    for shard in range(SHARDS):
        entries = entries_of(store, shard)
        found = lines_of(store.logs()[shard])
        if found != log_of(ExactEvaluator(), entries):
            ties = TieFinder()
            expected = log_of(ties, entries)
            assume(not ties.found)
            assert found == expected
