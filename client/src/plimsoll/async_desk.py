"""What who looks at a book asks, for programs in an event loop: a part of `AsyncClient`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from plimsoll import desk_calls
from plimsoll.answers import RankedAccounts
from plimsoll.book import Book, LiquidationMap
from plimsoll.calls import Anything, Call
from plimsoll.documents import Level, Quality, Venue
from plimsoll.funds import Fund, StoredFund, WrittenFund
from plimsoll.markets import Condition, Markets
from plimsoll.scenarios import MapRequest, MonitoredRequest, SimulateRequest
from plimsoll.simulation import Simulation

Answer = TypeVar("Answer")


class Desk:
    """Accounts by level, scenarios, liquidation maps, funds and markets."""

    async def list_accounts(
        self,
        level: Level,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        match: str | None = None,
        counts: bool = False,
    ) -> RankedAccounts:
        """Return a page of the accounts at or beyond a level, worst first.

        `match`: only those with this in their id. `counts`: say how many are at each level.
        """
        return await self._send(desk_calls.list_accounts(level, limit, cursor, match, counts))

    async def simulate(self, request: SimulateRequest | Anything) -> Simulation:
        """Suppose moves and actions on accounts: who is liquidated, who pays, who owes.

        Nothing is stored; stored instruments and newest marks stand in for what is not given.
        """
        return await self._send(desk_calls.simulate(request))

    async def simulate_monitored(self, request: MonitoredRequest | Anything) -> Simulation | Book:
        """The same of all accounts that are monitored; a large book's answer is a Book of sums."""
        return await self._send(desk_calls.simulate_monitored(request))

    async def map_liquidations(self, request: MapRequest | Anything) -> LiquidationMap:
        """Return what of the monitored book is liquidated at each of many moves."""
        return await self._send(desk_calls.map_liquidations(request))

    async def put_fund(
        self,
        venue: Venue,
        asset: str,
        fund: Fund | Anything,
        *,
        if_version: int | None = None,
    ) -> WrittenFund:
        """Say what an insurance fund holds; VersionMismatch: not done."""
        return await self._send(desk_calls.put_fund(venue, asset, fund, if_version))

    async def get_fund(self, venue: Venue, asset: str) -> StoredFund:
        """Return an insurance fund with what is asked of it now."""
        return await self._send(desk_calls.get_fund(venue, asset))

    async def list_funds(self) -> Sequence[StoredFund]:
        """Return all insurance funds, by venue and asset."""
        return await self._send(desk_calls.list_funds())

    async def get_markets(
        self,
        venue: Venue | None = None,
        symbol: str | None = None,
        *,
        quality: Quality | None = None,
        condition: Condition | None = None,
    ) -> Markets:
        """Return markets with volatility, drawdown, divergence, funding and what is outside.

        `quality` and `condition` leave only those markets of which it is so.
        """
        return await self._send(desk_calls.get_markets(venue, symbol, quality, condition))

    @abstractmethod
    async def _send(self, call: Call[Answer]) -> Answer:
        """Send a call and return its answer."""
