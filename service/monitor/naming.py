"""Which accounts are served here: the names of a tenant's, looked up while the monitor goes on."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from service.contract.questions import NamesQuestion
from service.monitor.sharing import Sharing

LOOKED_AT = 2_000  # accounts at a time: below a millisecond


async def names(
    sharing: Sharing, asked: NamesQuestion
) -> AsyncIterator[tuple[list[int], list[str]]]:
    """Yield the keys of a tenant's accounts with a pool, and the shards that they are all of.

    Of a book that has more than `limit` no more than that are named. Shards that went away
    meanwhile are not answered for.
    """
    for book in sharing.serving:
        ledgers, prefix = dict(book.ledgers), f"{asked.tenant}/"
        found: list[str] = []
        held = book.engine.book
        for start in range(0, len(held.keys), LOOKED_AT):
            accounts = np.arange(start, min(start + LOOKED_AT, len(held.keys)), dtype=np.int64)
            accounts = accounts[held.accounts.pools[accounts] > 0]
            accounts = accounts[held.keys.begin_with(accounts, prefix)]
            served = np.isin(book.residents.shards_of(accounts), list(ledgers))
            found += [held.keys[account] for account in accounts[served].tolist()]
            if len(found) > asked.limit:
                break
            await asyncio.sleep(0)
        yield (
            [shard for shard, ledger in ledgers.items() if book.ledgers.get(shard) is ledger],
            found[: asked.limit + 1],
        )
