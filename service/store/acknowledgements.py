"""Which alerts of the log were acknowledged: noted beside the log, gone with its entries.

Whoever owns the shard hears of it as of a change of the account, in the one order of the market
stream: reminders that go on until somebody acknowledges end at the same entry in every run.
"""

from collections import defaultdict
from collections.abc import Sequence

from service.errors import UnknownAlert
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script
from service.store.keys import ShardKeys
from service.store.market_stream import MarketStream


class Acknowledgements:
    """Of all shards; an alert is named by its account's key and its seq."""

    def __init__(self, client: Client, market: MarketStream, shards: int) -> None:
        self._client = client
        self._market = market
        self._shards = [ShardKeys(shard) for shard in range(shards)]
        self._acknowledge = load_script("acknowledge_alert")

    async def acknowledge(self, account_key: str, seq: int) -> int:
        """Acknowledge an alert; return when that was done first (ms).

        Raises UnknownAlert when it is not in the log (any more). After `StoreUnavailable` the same
        call again is safe.
        """
        shard = keys.shard_of(account_key, len(self._shards))
        of = self._shards[shard]
        names = (of.seqs, of.floors, of.acks, of.state, of.log, of.changes)
        answer = await self._client.run(self._acknowledge, names, (account_key, seq))
        if answer is None:
            raise UnknownAlert("there is no such alert in the log")
        time_ms, change = answer
        if change:
            await self._market.append_changes([(shard, change)])
        return int(time_ms)

    async def acknowledged(self, alerts: Sequence[tuple[str, int]]) -> list[bool]:
        """Return of each alert (account key, seq) whether it was acknowledged."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, (key, _) in enumerate(alerts):
            places[keys.shard_of(key, len(self._shards))].append(place)
        answers = await self._client.batch(
            [
                ("HMGET", self._shards[shard].acks, *(_name(alerts[place]) for place in found))
                for shard, found in places.items()
            ]
        )
        known = [False] * len(alerts)
        for found, times in zip(places.values(), answers, strict=True):
            for place, time_ms in zip(found, times, strict=True):
                known[place] = time_ms is not None
        return known


def _name(alert: tuple[str, int]) -> str:
    account_key, seq = alert
    return f"{account_key}-{seq}"
