"""Insurance funds: what the operator says each holds, and what each shard asks of them.

Both are absolute. The operator replaces a balance, and a shard's owner replaces all that its pools
ask, as of one market id, in one step in the shard's slot. So a step that is sent again, cut off or
done by the next owner changes nothing twice: what all ask is the sum of what each shard said last,
and a pool is in one shard. An owner that has lost the shard is refused by its token, one that is
behind what was said (it goes on from an older commit) by the market id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from service.errors import TooManyItems, UnknownFund, VersionMismatch
from service.store import keys
from service.store.client import Client
from service.store.commands import ScriptCall, load_script
from service.store.keys import ShardKeys

Outcome = Literal["written", "lease_lost", "ahead"]
Name: TypeAlias = tuple[str, str]  # venue, asset

FUNDS_MAX = 1_000
_OTHER_VERSION, _TOO_MANY = -1, -2


@dataclass(frozen=True, slots=True)
class StoredFund:
    """A fund as the operator put it (JSON)."""

    version: int
    doc: bytes


@dataclass(frozen=True, slots=True)
class ShardClaims:
    """What a shard's pools ask (`told`, JSON) as of a market id; `at_ms` is when it was written."""

    market_id: int
    at_ms: int
    told: bytes


@dataclass(frozen=True, slots=True)
class ClaimsWrite:
    """What an owner says of a shard that it holds by `token`."""

    shard: int
    token: int
    market_id: int
    told: bytes


class Funds:
    """All funds of a service, and the claims of all shards."""

    def __init__(self, client: Client, shards: int) -> None:
        self._client = client
        self._shards = [ShardKeys(shard) for shard in range(shards)]
        self._put = load_script("put_fund")
        self._write = load_script("write_claims")

    async def now_ms(self) -> int:
        """Return the server's clock: funds of all workers go by one."""
        return await self._client.time_ms(keys.FUNDS)

    async def put(self, fund: Name, doc: bytes, wanted: Collection[int] | None = None) -> int:
        """Store a fund and return its version, which grows by one with each write.

        `wanted` are versions it may have now (0: it is not there; none named: any, but it is);
        raises VersionMismatch, TooManyItems.
        """
        versions = (
            "" if wanted is None else f",{','.join(map(str, sorted(wanted)))}," if wanted else "*"
        )
        arguments = (keys.market_name(*fund), versions, doc, FUNDS_MAX)
        version = int(await self._client.run(self._put, (keys.FUNDS,), arguments))
        if version == _OTHER_VERSION:
            raise VersionMismatch("the fund has another version by now")
        if version == _TOO_MANY:
            raise TooManyItems(f"more than {FUNDS_MAX} funds")
        return version

    async def get(self, fund: Name) -> StoredFund:
        """Return a fund; raises UnknownFund."""
        stored = await self._client.call("HGET", keys.FUNDS, keys.market_name(*fund))
        if stored is None:
            raise UnknownFund("there is no such fund")
        return _read(stored)

    async def all(self) -> dict[Name, StoredFund]:
        """Return every fund, by venue and asset."""
        flat = await self._client.call("HGETALL", keys.FUNDS)
        found = zip(flat[::2], flat[1::2], strict=True)
        return {keys.market_of(name.decode()): _read(stored) for name, stored in sorted(found)}

    async def write_claims(self, writes: Sequence[ClaimsWrite]) -> list[Outcome]:
        """Replace what shards ask; the outcome of each. It may be sent again."""
        calls = [
            ScriptCall(
                self._write,
                (self._shards[one.shard].state, self._shards[one.shard].claims),
                (one.token, one.market_id, one.told),
            )
            for one in writes
        ]
        return [answer.decode() for answer in await self._client.batch(calls)]

    async def claims(self) -> tuple[int, list[ShardClaims | None]]:
        """Return the store's time in ms, and what each shard said last; None: nothing yet."""
        rows = await self._client.batch(
            [("HMGET", of.claims, "marketId", "at", "told") for of in self._shards]
        )
        return await self.now_ms(), [
            None if told is None else ShardClaims(int(market_id), int(at), told)
            for market_id, at, told in rows
        ]


def _read(stored: bytes) -> StoredFund:
    """Return a record's parts; what we never wrote has no version, and is no fund to be read."""
    version, _, doc = stored.partition(b" ")
    return StoredFund(int(version), doc) if version.isdigit() else StoredFund(0, stored)
