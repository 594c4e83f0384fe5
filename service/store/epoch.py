"""The log's epoch: as long as it stays the same, nothing that was acknowledged has been lost.

`settle` finds out, at every start and again and again. A server that restarts keeps what it
acknowledged only with fsync at every write. On a cluster any one node may have lost its data while
the others did not; so every shard carries a stamp beside its log, and a stamp that is missing tells
that the shard begins anew. A node that takes over a dead one's slots has a copy that lags behind:
a node id that was not there before is a new epoch too (moving slots between known nodes is none).
"""

import secrets

from service.errors import StoreUnavailable, WrongShards
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script
from service.store.keys import ShardKeys
from service.store.market_stream import pairs


async def settle(client: Client, shards: int) -> str:
    """Fix the number of shards at the first start; return the log's epoch.

    `WrongShards` when it was another number. The epoch is new when the log may have lost what was
    acknowledged.
    """
    servers, durable = await _servers(client), await _is_durable(client)
    epoch, begun = await _settle(client, shards, servers, durable, broken="")
    shard_keys = [ShardKeys(shard) for shard in range(shards)]
    stamps = await client.batch([("HEXISTS", of.state, "begun") for of in shard_keys])
    if all(stamps):
        return epoch
    if begun:
        epoch, _ = await _settle(client, shards, servers, durable, broken=epoch)
    # Only now: whoever dies in between leaves the loss to be seen by the next.
    await client.batch([("HSET", of.state, "begun", 1) for of in shard_keys])
    await client.call("SET", keys.BEGUN, 1)
    return epoch


async def epoch(client: Client) -> str | None:
    """Return the log's epoch, None before the first start of a monitor."""
    stored = await client.call("GET", keys.EPOCH)
    return None if stored is None else stored.decode()


async def _settle(
    client: Client, shards: int, servers: str, durable: bool, broken: str
) -> tuple[str, bool]:
    stored, epoch, begun = await client.run(
        load_script("settle_store"),
        (keys.SHARD_COUNT, keys.EPOCH, keys.SERVERS, keys.BEGUN),
        (shards, secrets.token_hex(8), servers, int(durable), broken),
    )
    if int(stored) != shards:
        raise WrongShards(f"this data has {int(stored)} shards, not {shards}; it cannot change")
    return epoch.decode(), bool(begun)


async def _servers(client: Client) -> str:
    infos = await client.call_everywhere("INFO", "server")
    runs = {node: _field(info, b"run_id").decode() for node, info in infos.items()}
    return " ".join(f"{node}:{run}" for node, run in sorted(runs.items()))


async def _is_durable(client: Client) -> bool:
    """Whether every server has what it acknowledges on disk."""
    try:
        answers = await client.call_everywhere("CONFIG", "GET", "append*")
    except StoreUnavailable:
        return False  # a hosted server may refuse to say
    wanted = {(b"appendonly", b"yes"), (b"appendfsync", b"always")}
    return all(wanted <= set(pairs(answer)) for answer in answers.values())


def _field(info: bytes, name: bytes) -> bytes:
    fields = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
    return fields.get(name, b"")
