"""Changes of accounts whose writer died before it told the market stream."""

from collections.abc import Mapping

from service.monitor.commits import Ledger
from service.monitor.ports import AccountsPort, MarketPort


class Notices:
    """Appends the notices that are missing; every monitor sees to the shards it serves.

    A change is given the time between two calls to be told of. It lacks its notice when the monitor
    has then followed the stream to where it ends at the second call and has not heard of it: one
    that is merely behind appends nothing.
    """

    def __init__(self, market: MarketPort, accounts: AccountsPort) -> None:
        self.appended = 0
        self._market, self._accounts = market, accounts
        self._late: dict[int, int] = {}  # newest change by shard that was not drained last time
        # By shard: a change, and the market id that its notice must have come before.
        self._expected: dict[int, tuple[int, int]] = {}

    async def append_missing(self, ledgers: Mapping[int, Ledger], market_id: int) -> None:
        """Look for missing notices in these shards, followed to `market_id`; call it now and then.

        What came to be missing is found at the third call at the earliest.
        """
        counters = await self._accounts.counters()
        end, _ = await self._market.tail()
        late, expected, overdue = {}, {}, []
        for counter in counters:
            shard, ledger = counter.shard, ledgers.get(counter.shard)
            if ledger is None or counter.changes <= ledger.drained_to:
                continue
            late[shard] = counter.changes
            change, before = self._expected.get(shard, (self._late.get(shard, 0), end))
            if change <= ledger.drained_to:
                continue
            if shard in self._expected and before <= market_id:
                overdue.append((shard, change))
            else:
                expected[shard] = change, before
        self._late, self._expected = late, expected
        if overdue:
            await self._market.append_changes(overdue)
            self.appended += len(overdue)
