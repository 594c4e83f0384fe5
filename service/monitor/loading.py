"""Taking a shard's accounts in: while some become columns the next are on their way."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeAlias

from service.contract.stored import read_statements
from service.monitor.engine import Engine
from service.risk.records import PoolState

_log = logging.getLogger(__name__)

ACCOUNTS_A_STEP = 1_000  # some milliseconds: the lease and the clock are kept meanwhile
SAY_S = 1.0

Rows: TypeAlias = Sequence[tuple[str, int, bytes]]  # account key, version, JSON


class Loading:
    """Says once a second how far it is."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()
        self._accounts = 0  # since then

    async def take_in(
        self, engine: Engine, pages: AsyncIterator[Rows], states: Mapping[str, list[PoolState]]
    ) -> None:
        """Load all accounts of `pages`, with the levels of those that have any."""
        following = asyncio.create_task(_next(pages))
        try:
            while rows := await following:
                following = asyncio.create_task(_next(pages))
                for start in range(0, len(rows), ACCOUNTS_A_STEP):
                    await asyncio.sleep(0)
                    _take(engine, rows[start : start + ACCOUNTS_A_STEP], states)
                self._say(len(rows), len(engine.book.keys))
        finally:
            following.cancel()

    def _say(self, accounts: int, in_all: int) -> None:
        self._accounts += accounts
        took = time.monotonic() - self._said_at
        if took >= SAY_S:
            _log.info("%d accounts taken in, %.0f/s", in_all, self._accounts / took)
            self._said_at, self._accounts = time.monotonic(), 0


async def _next(pages: AsyncIterator[Rows]) -> Rows:
    """Return the next page, an empty one behind the last."""
    async for page in pages:
        return page
    return ()


def _take(engine: Engine, rows: Rows, states: Mapping[str, list[PoolState]]) -> None:
    given, unread = read_statements([doc for _, _, doc in rows])
    engine.intake.say_unread({rows[place][0]: error for place, error in unread.items()})
    read = [row for place, row in enumerate(rows) if place not in unread]
    engine.load([key for key, _, _ in read], [version for _, version, _ in read], given, states)
