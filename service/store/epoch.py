"""The log's epoch: as long as it stays the same, nothing that was acknowledged has been lost.

`settle` finds out, at every start and again and again. A server that restarts keeps what it
acknowledged only with fsync at every write. On a cluster any one node may have lost its data while
the others did not; so every shard carries a stamp beside its log, and a stamp that is missing tells
that the shard begins anew. A node that takes over a dead one's slots has a copy that lags behind:
a node id that was not there before is a new epoch too (moving slots between known nodes is none).
The market stream goes on with a gap then, so that nobody takes a new entry for one it has read.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from service.errors import StoreUnavailable, WrongShards
from service.store import keys
from service.store.client import Client
from service.store.commands import Part, load_script, pairs
from service.store.formats import FORMAT, refuse_other
from service.store.keys import ShardKeys


@dataclass(frozen=True, slots=True)
class _Settled:
    epoch: str
    market_id: int  # the stream's last
    begun: bool  # every shard has its stamp


async def settle(client: Client, shards: int) -> str:
    """Fix the number of shards at the first start; return the log's epoch.

    `WrongShards` when it was another number, `WrongFormat` when the data is of another version. The
    epoch is new when the log may have lost what was acknowledged.
    """
    running, durable = await _running(client), await _is_durable(client)

    async def settled(broken: str, committed: int) -> _Settled:
        arguments = (shards, secrets.token_hex(8), running, int(durable), broken, committed, FORMAT)
        return await _settled(client, shards, arguments)

    found = await settled("", 0)
    states = [ShardKeys(shard).state for shard in range(shards)]
    rows = await client.batch([("HMGET", state, "begun", "marketId") for state in states])
    committed = max(int(market_id or 0) for _, market_id in rows)
    stamped = all(stamp for stamp, _ in rows)
    if (found.begun and not stamped) or committed > found.market_id:
        found = await settled("" if stamped else found.epoch, committed)
    if not stamped:
        # Only now: whoever dies in between leaves the loss to be seen by the next.
        await client.batch([("HSET", state, "begun", 1) for state in states])
        await client.call("SET", keys.BEGUN, 1)
    return found.epoch


async def epoch(client: Client) -> str | None:
    """Return the log's epoch, None before the first start of a monitor."""
    stored = await client.call("GET", keys.EPOCH)
    return None if stored is None else stored.decode()


async def _settled(client: Client, shards: int, arguments: Sequence[Part]) -> _Settled:
    names = (keys.SHARD_COUNT, keys.EPOCH, keys.SERVERS, keys.BEGUN, keys.CLOCK, keys.FORMAT)
    stored, epoch, market_id, begun, found = await client.run(
        load_script("settle_store"), names, arguments
    )
    refuse_other(int(found))
    if int(stored) != shards:
        raise WrongShards(f"this data has {int(stored)} shards, not {shards}; it cannot change")
    return _Settled(epoch.decode(), int(market_id), bool(begun))


async def _running(client: Client) -> str:
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
