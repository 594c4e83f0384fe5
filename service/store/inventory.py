"""What a store holds, counted: so that a backup can be compared with what it was made of."""

import msgspec

from service.store import keys
from service.store.client import Client
from service.store.formats import found_format
from service.store.keys import HOOKS, TARGETS, ShardKeys


class Inventory(msgspec.Struct, rename="camel", frozen=True):
    """What there is of everything that is kept for good, or for as long as the log."""

    format: int | None
    shards: int
    epoch: str | None
    market_id: int  # of the newest entry of the market stream
    accounts: int
    alerts: int  # in the log now
    instruments: int
    api_keys: int
    webhooks: int
    targets: int
    silences: int
    funds: int


async def take_inventory(client: Client) -> Inventory:
    """Count what is there; a store that is written to meanwhile is counted as it goes by."""
    shards, epoch, market_id = await client.batch(
        [
            ("GET", keys.SHARD_COUNT),
            ("GET", keys.EPOCH),
            ("HGET", keys.CLOCK, "sequence"),
        ]
    )
    hashes = (
        keys.INSTRUMENTS,
        keys.API_KEYS,
        HOOKS.records,
        TARGETS.records,
        keys.SILENCES,
        keys.FUNDS,
    )
    counts = [int(count) for count in await client.batch([("HLEN", name) for name in hashes])]
    of = [ShardKeys(shard) for shard in range(int(shards or 0))]
    accounts = await client.batch([("HLEN", shard.accounts) for shard in of])
    logs = await client.batch([("HMGET", shard.state, "offset", "trimmed") for shard in of])
    return Inventory(
        await found_format(client),
        len(of),
        None if epoch is None else epoch.decode(),
        int(market_id or 0),
        sum(map(int, accounts)),
        sum(int(offset or 0) - int(trimmed or 0) for offset, trimmed in logs),
        *counts,
    )
