"""What was: an account's alerts, newest first, and the versions of it that they were judged by.

A version is the newest one, or it stands in a change that is still kept, or (when it outlived its
change) in the history that `put_accounts` and `trim_changes` write. What is in none of them is
gone.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.store import keys
from service.store.accounts import ACK
from service.store.client import Client
from service.store.keys import ShardKeys
from service.store.log_entries import read_entry, split_alerts

ENTRIES_A_PAGE = 16  # of up to a hundred changes, or some hundred alerts, each
VERSIONS_A_PAGE = 200


@dataclass(frozen=True, slots=True)
class AccountVersion:
    """One version of an account; `doc` is None where the version is a deletion.

    `change_id` and `cause` are of the write that began it: None where that is no longer kept.
    """

    version: int
    doc: bytes | None
    change_id: int | None = None
    cause: str | None = None


class History:
    """Reads what the store keeps of the past; it writes nothing."""

    def __init__(self, client: Client, shards: int) -> None:
        self._client = client
        self._shards = shards

    def shard_of(self, account_key: str) -> int:
        """Return the shard an account lives in."""
        return keys.shard_of(account_key, self._shards)

    async def alerts(self, account_key: str) -> AsyncIterator[bytes]:
        """Yield an account's alerts as they are in the log, the newest first."""
        of, quoted = ShardKeys(self.shard_of(account_key)), orjson.dumps(account_key)
        async for row in self._backwards(of.log, "+", ENTRIES_A_PAGE):
            if quoted not in row[1][3]:  # most entries are not about it: they are not read
                continue
            entry = read_entry(row)
            alerts = split_alerts(entry.alerts)
            for place in range(len(alerts) - 1, -1, -1):
                if entry.account_keys[place] == account_key:
                    yield alerts[place]

    async def versions(self, account_key: str, first: int, last: int) -> dict[int, AccountVersion]:
        """Return the versions `first` .. `last` of an account, those that are still kept."""
        of, wanted = ShardKeys(self.shard_of(account_key)), range(first, last + 1)
        doc, stored, dropped = await self._client.batch(
            [
                ("HGET", of.accounts, account_key),
                ("HGET", of.versions, account_key),
                ("HGET", of.state, "dropped"),
            ],
            atomic=True,
        )
        if stored is None:
            return {}
        newest, change_id = map(int, stored.split(b" "))
        found = {newest: AccountVersion(newest, doc, change_id)} if newest in wanted else {}
        if change_id > int(dropped or 0):
            found |= await self._from_changes(of, account_key, change_id, wanted)
        if any(version not in found for version in wanted):
            found = await self._from_history(of, account_key, wanted) | found
        return found

    async def _from_changes(
        self, of: ShardKeys, account_key: str, change_id: int, wanted: range
    ) -> dict[int, AccountVersion]:
        """Return the wanted versions among the changes up to the account's newest one."""
        found: dict[int, AccountVersion] = {}
        name = account_key.encode()
        # An entry has the id of its last change: the one with ours is the first from there on.
        ours = await self._client.call("XRANGE", of.changes, f"{change_id}-0", "+", "COUNT", 1)
        start = ours[0][0] if ours else "+"
        async for row in self._backwards(of.changes, start, ENTRIES_A_PAGE):
            for version in _versions_in(row, name):
                if version.version in wanted:
                    found[version.version] = version
                if version.version <= wanted[0]:
                    return found
        return found

    async def _from_history(
        self, of: ShardKeys, account_key: str, wanted: range
    ) -> dict[int, AccountVersion]:
        found: dict[int, AccountVersion] = {}
        name = account_key.encode()
        async for row in self._backwards(of.history, "+", VERSIONS_A_PAGE):
            _, (_, key, _, number, _, doc) = row
            if key == name and int(number) in wanted:
                found[int(number)] = AccountVersion(int(number), doc or None)
        return found

    async def _backwards(self, stream: str, start: Any, count: int) -> AsyncIterator[Any]:
        """Yield a stream's entries from `start` down."""
        while rows := await self._client.call("XREVRANGE", stream, start, "-", "COUNT", count):
            for row in rows:
                yield row
            start = b"(" + rows[-1][0]


def _versions_in(row: Any, name: bytes) -> Sequence[AccountVersion]:
    """Return the versions of an account in an entry of changes, the newest first."""
    identifier, (_, _, *flat) = row
    if name not in flat:
        return ()
    first = int(identifier[:-2]) - len(flat) // 4 + 1
    return [
        AccountVersion(
            int(flat[at + 1]), flat[at + 3] or None, first + at // 4, flat[at + 2].decode()
        )
        for at in range(len(flat) - 4, -1, -4)
        if flat[at] == name and flat[at + 2] != ACK.encode()
    ]
