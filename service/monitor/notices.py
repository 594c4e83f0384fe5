"""Changes of accounts whose writer died before it told the market stream."""

from collections.abc import Mapping

from service.monitor.commits import Ledger
from service.monitor.ports import AccountsPort, MarketPort


class Notices:
    """Appends the notices that are missing; every monitor sees to the shards it serves.

    A change is given the time between two calls, so that the notices of writers alive are not
    doubled (which would do no harm).
    """

    def __init__(self, market: MarketPort, accounts: AccountsPort) -> None:
        self.appended = 0
        self._market, self._accounts = market, accounts
        self._late: dict[int, int] = {}  # newest change by shard that was not drained last time

    async def append_missing(self, ledgers: Mapping[int, Ledger]) -> None:
        """Look for missing notices in these shards; call it now and then."""
        late, overdue = {}, []
        for counter in await self._accounts.counters():
            ledger = ledgers.get(counter.shard)
            if ledger is None or counter.changes <= ledger.drained_to:
                continue
            late[counter.shard] = counter.changes
            if self._late.get(counter.shard, 0) > ledger.drained_to:
                overdue.append((counter.shard, counter.changes))
        self._late = late
        if overdue:
            await self._market.append_changes(overdue)
            self.appended += len(overdue)
