"""The condition of the markets as whoever watches them asks for it."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

from service.api.follower import MarketFollower
from service.api.market_columns import is_old
from service.api.markets import market_views
from service.api.moves import MarketMoves
from service.contract.markets import MarketView
from service.risk.reports import Key


class WatchedMarkets:
    """Reads the worker's picture; what it says is what `GET /v1/markets` says."""

    def __init__(self, follower: MarketFollower, moves: MarketMoves) -> None:
        self._follower, self._moves = follower, moves

    def judge(self) -> None:
        """Hold every mark that came against the bands."""
        self._moves.judge()

    def states(self) -> Mapping[Key, Hashable]:
        """Return of each market what is another value when there is something to tell of it.

        That is its newest mark with its quality, and whether that is too old to say anything.
        """
        now_ms, live = self._follower.clock_ms(), self._moves.live
        return {
            key: (live, is_old(mark.event_time_ms, now_ms), mark)
            for key, mark in self._follower.newest.items()
        }

    def views(self, keys: Sequence[Key]) -> Iterable[MarketView]:
        """Return the condition of those of these markets that have marks."""
        newest = self._follower.newest
        found = [newest[key] for key in keys if key in newest]
        return market_views(found, self._moves, self._follower.clock_ms())
