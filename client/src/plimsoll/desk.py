"""What who looks at a book asks, for programs without an event loop: a part of `Client`."""

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

    def list_accounts(
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
        return self._send(desk_calls.list_accounts(level, limit, cursor, match, counts))

    def simulate(self, request: SimulateRequest | Anything) -> Simulation:
        """Suppose moves and actions on accounts: who is liquidated, who pays, who owes.

        Nothing is stored; stored instruments and newest marks stand in for what is not given.
        """
        return self._send(desk_calls.simulate(request))

    def simulate_monitored(self, request: MonitoredRequest | Anything) -> Simulation | Book:
        """The same of all accounts that are monitored; a large book's answer is a Book of sums."""
        return self._send(desk_calls.simulate_monitored(request))

    def map_liquidations(self, request: MapRequest | Anything) -> LiquidationMap:
        """Return what of the monitored book is liquidated at each of many moves."""
        return self._send(desk_calls.map_liquidations(request))

    def put_fund(
        self,
        venue: Venue,
        asset: str,
        fund: Fund | Anything,
        *,
        if_version: int | None = None,
    ) -> WrittenFund:
        """Say what an insurance fund holds; VersionMismatch: not done."""
        return self._send(desk_calls.put_fund(venue, asset, fund, if_version))

    def get_fund(self, venue: Venue, asset: str) -> StoredFund:
        """Return an insurance fund with what is asked of it now."""
        return self._send(desk_calls.get_fund(venue, asset))

    def list_funds(self) -> Sequence[StoredFund]:
        """Return all insurance funds, by venue and asset."""
        return self._send(desk_calls.list_funds())

    def get_markets(
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
        return self._send(desk_calls.get_markets(venue, symbol, quality, condition))

    @abstractmethod
    def _send(self, call: Call[Answer]) -> Answer:
        """Send a call and return its answer."""
