"""The monitor's log beside the reference's: two programs that share no formula, the same alerts."""

import asyncio
from fractions import Fraction
from typing import Any

import orjson
from hypothesis import assume, given

from service.risk.model import Account
from service.store.accounts import AccountChange
from tests.agreement import scale
from tests.logs import entry_of, expected, told
from tests.monitor.fake_store import SHARDS, FakeStore
from tests.monitor.streams import Step, streams
from tests.monitor.test_incremental import run
from tests.reference.entries import Entry
from tests.reference.log import ExactEvaluator, LogWriter
from tests.reference.pools import Pool, figures, pools_of
from tests.reference.world import World
from tests.strategies import effort

TIE = Fraction(1, 10**12)  # of a pool's scale: floats and fractions may see a line differently


def entries_of(store: FakeStore, shard: int) -> list[Entry]:
    """The market stream as one shard reads it: other shards' account changes only pass the time."""
    drained, found = 0, []
    for entry in store.entries:
        changes: list[AccountChange] = []
        if entry.kind == "a" and (notice := orjson.loads(entry.payload))["shard"] == shard:
            changes = store.shards[shard].changes[drained : notice["upto"]]
            drained = max(drained, notice["upto"])
        found.append(entry_of(entry, changes))
    return found


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


def log_of(evaluator: ExactEvaluator, entries: list[Entry]) -> list[tuple[Any, ...]]:
    writer = LogWriter(evaluator)
    for entry in entries:
        writer.feed(entry)
    return expected(writer.log)


@effort(40, 1_000)
@given(streams())
def test_the_monitor_logs_what_the_reference_does(steps: list[Step]) -> None:
    store = FakeStore()
    asyncio.run(run(store, steps))
    for shard in range(SHARDS):
        entries = entries_of(store, shard)
        found = told(store.logs()[shard])
        if found != log_of(ExactEvaluator(), entries):
            ties = TieFinder()
            exact = log_of(ties, entries)
            assume(not ties.found)
            assert found == exact
