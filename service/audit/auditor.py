"""Who is asked to derive an alert again; how it is done, and why it can be trusted: `explain`."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.contract.audited import AuditedAlert
from service.risk.model import USD
from service.store.history import History
from service.store.market_stream import MarketStream

AT_A_TIME = 2  # of a process: each goes through thousands of entries


@dataclass(frozen=True, slots=True)
class Auditor:
    """Derives alerts; `pegged` are the assets that count for exactly 1 USD, besides USD itself."""

    history: History
    market: MarketStream
    pegged: Iterable[str] = ()
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))

    async def explain(self, account_key: str, seq: int) -> AuditedAlert:
        """Return an alert of an account, derived again; raises UnknownAlert, NoLongerKept."""
        from service.audit.explain import explain  # noqa: PLC0415 - no worker's start waits for it

        async with self.room:
            pegged = frozenset(self.pegged) | {USD}
            return await explain(self.history, self.market, pegged, account_key, seq)
