"""ccxt's classes as account sync uses them: one object an account, errors with a name.

Everything that is specific to ccxt is here and in the tables of `venue_calls`. An error's text goes
without the query of an address: a signature can be in it.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.imports import ccxt_pro
from service.imports.from_ccxt import told
from service.sync.configured import SyncedAccount
from service.sync.venue_calls import PAGES, Permissions, balance_of, queries_of
from service.sync.venue_calls import permissions_of as asked_permissions
from service.unified.figures import Json

READS_MAX = 3  # of positions that change while the balance is read
_SIGNATURE = re.compile(r"[0-9a-fA-F]{32,}|[A-Za-z0-9+/]{40,}={0,2}")
Trouble = Literal["throttled", "refused", "away", "torn", "not_understood"]


class VenueTrouble(Exception):
    """Why there is no snapshot now. `refused`: the key; `torn`: it changed while it was read."""

    def __init__(self, kind: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.kind: Trouble = kind
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a venue says an account holds, of one moment; as ccxt gives it."""

    positions: list[Json]
    balance: Json


class Exchange:
    """One account at its venue; a session of HTTP and of WebSockets, closed with the block."""

    def __init__(self, account: SyncedAccount) -> None:
        self._account = account
        self._exchange: Any = ccxt_pro.opened(
            account.exchange, account.keys, account.url, account.stream_url
        )
        self._errors: Any = ccxt_pro.errors()

    async def __aenter__(self) -> "Exchange":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.close()

    @property
    def ccxt(self) -> Any:
        """ccxt's own object, for what is not asked for here."""
        return self._exchange

    @property
    def can_watch(self) -> bool:
        """Whether a WebSocket can hint that something has changed."""
        watches = self._exchange.has.get("watchPositions") is True
        return self._account.websocket and watches

    async def snapshot(self) -> Snapshot:
        """Return positions and balance; raises VenueTrouble.

        Positions are read before and after the balance: a fill between them would make a balance
        that does not belong to them.
        """
        try:
            before = await self._positions()
            for _ in range(READS_MAX):
                balance = await self._exchange.fetch_balance(balance_of(self._account))
                after = await self._positions()
                if _sizes(before) == _sizes(after):
                    return Snapshot(after, balance)
                before = after
        except Exception as error:
            raise self._named(error) from None
        raise VenueTrouble("torn", "positions changed while the balance was read")

    async def _positions(self) -> list[Json]:
        found: list[Json] = []
        for query in queries_of(self._account):
            rows = await self._exchange.fetch_positions(None, dict(query))
            page = PAGES.get(self._account.exchange)
            if page is not None and len(rows) >= page:
                detail = f"{len(rows)} positions fill a page: there may be more"
                raise VenueTrouble("not_understood", detail)
            found += rows
        return found

    async def changed(self) -> None:
        """Return when the venue says that a position has changed; raises VenueTrouble.

        What it says is not read: ccxt leaves mark, maintenance and leverage empty.
        """
        try:
            await self._exchange.watch_positions()
        except Exception as error:
            raise self._named(error) from None

    async def clock_offset_ms(self) -> float | None:
        """Return our clock minus the venue's, half the way to and fro taken off; None: not told."""
        if self._exchange.has.get("fetchTime") is not True:
            return None
        asked_ms, asked_s = time.time() * 1_000.0, time.monotonic()
        try:
            theirs_ms = await self._exchange.fetch_time()
        except Exception as error:
            raise self._named(error) from None
        way_ms = (time.monotonic() - asked_s) * 500.0
        return None if theirs_ms is None else asked_ms + way_ms - float(theirs_ms)

    async def permissions(self) -> Permissions:
        """Return what the key may do, as far as the venue says it; raises VenueTrouble."""
        try:
            return await asked_permissions(self._exchange, self._account.exchange)
        except Exception as error:
            raise self._named(error) from None

    def _named(self, error: Exception) -> VenueTrouble:
        """Return what a call's failure means to us."""
        if isinstance(error, VenueTrouble):
            return error
        errors = self._errors
        kind: Trouble = "not_understood"
        if isinstance(error, errors.RateLimitExceeded | errors.DDoSProtection):
            kind = "throttled"
        elif isinstance(error, errors.AuthenticationError):
            kind = "refused"
        elif isinstance(error, errors.OperationFailed | OSError | TimeoutError):
            kind = "away"
        return VenueTrouble(kind, without_secrets(told(error), self._account.keys))


def without_secrets(text: str, keys: Mapping[str, str]) -> str:
    """Return a venue's words without our keys and without what may be a signature of ours."""
    for secret in keys.values():
        text = text.replace(secret, "***")
    return _SIGNATURE.sub("***", text)


def _sizes(positions: list[Json]) -> list[tuple[str, ...]]:
    names = ("symbol", "side", "contracts", "entryPrice", "marginMode")
    return sorted(tuple(str(row.get(name)) for name in names) for row in positions)
