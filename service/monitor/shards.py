"""The shards this monitor owns: from their committed state through the market stream to the next commit.

A shard's state is exact as of its committed market id. So a start takes the newest snapshot of the market at or below the least of them,
goes through the entries from there without judging anybody, takes each shard in where it was committed, and from there on everything is the
usual round: read entries, fetch the account changes they bind, apply them one by one, commit what they say. The engine is ahead of the store
by one batch at most; while a commit is not answered nothing more is applied.
"""

import logging
from collections.abc import Sequence

import msgspec

from service.monitor.commits import Ledger
from service.monitor.engine import Engine
from service.monitor.ports import AccountsPort, LogPort, MarketPort

_log = logging.getLogger(__name__)

ENTRIES_A_READ = 1_000
CHANGES_A_READ = 1_000
LEASE_MS = 5_000
APPLY_S = 0.01  # after so long the alerts found are committed before more entries are applied
RETRY_S = (0.02, 2.0)  # first and longest wait before a commit is sent again


class _Notice(msgspec.Struct):
    shard: int
    upto: int


_notice_decoder = msgspec.json.Decoder(_Notice)


class Shards:
    """One engine over the shards given; all calls come from one task."""

    def __init__(
        self, engine: Engine, market: MarketPort, accounts: AccountsPort, log: LogPort
    ) -> None:
        self.engine = engine
        self.ledgers: dict[int, Ledger] = {}
        self.commits = 0
        self._market, self._accounts, self._log = market, accounts, log
        self._waiting: list[Ledger] = []  # acquired, but committed later than the engine is
        self._pages: dict[int, Ledger] = {}

    async def recover(self, shards: Sequence[int]) -> None:
        """Become the owner of these shards and take them in as they were committed."""
        acquired = [Ledger.of(each, await self._log.acquire(each, LEASE_MS)) for each in shards]
        self.ledgers = {ledger.shard: ledger for ledger in acquired}
        self._waiting = sorted(acquired, key=lambda ledger: ledger.market_id)
        first = self._waiting[0].market_id
        snapshot = await self._market.load_snapshot(first)
        if snapshot is not None:
            self.engine.market_id = snapshot[0]
            self.engine.facts.restore(snapshot[1])
        while self.engine.market_id < first:
            for entry in await self._read(first - self.engine.market_id, 0):
                self.engine.replay(entry)
        await self._take_in()
        while self._waiting:
            await self.follow(0)
