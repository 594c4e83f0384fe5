"""The `markets` channel: the condition of each market, conflated for every client at its own speed;
and which markets left a band or came back, for the notices.

A condition is looked up while somebody listens, and only of markets that got marks or whose marks
went stale since: each once a second at most, for all clients together, a slice at a time in a share
of the worker's time. Crossings are exact: each mark is held against the bands, whoever listens.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import anyio
import msgspec

from service.contract.markets import MarketView
from service.push.conflated import Conflated
from service.push.outbox import Outbox
from service.push.symbol_choice import SymbolChoice
from service.risk.conditions import Condition, Crossing
from service.risk.reports import Key

EVERY_S = 1.0  # a market is told of at most so often
MARKETS_A_SLICE = 100  # looked up at a time: about two milliseconds
_SHARE = 0.25  # of the worker's time, at most


class Markets(Protocol):
    """What this worker knows of the markets."""

    def judge(self) -> None:
        """Hold every mark that came against the bands."""

    def states(self) -> Mapping[Key, Hashable]:
        """Return of each market what is another value when there is something to tell of it."""

    def views(self, keys: Sequence[Key]) -> Iterable[MarketView]:
        """Return the condition of those of these markets that (still) have marks."""


class MarketSubscription(Conflated):
    """The condition of the markets of some symbols."""

    def __init__(self, subscription_id: str, symbols: SymbolChoice, outbox: Outbox) -> None:
        super().__init__(subscription_id, "markets", "markets", outbox)
        self.symbols = symbols


class MarketBoard:
    """Who listens to markets, and what they were told; `run` keeps them up to date.

    `tell` hears of every crossing once. What was outside its band before this worker knew of it is
    no crossing: `markets` shows it.
    """

    def __init__(self, markets: Markets, tell: Callable[[Crossing], None]) -> None:
        self._markets, self._tell = markets, tell
        self._listeners: set[MarketSubscription] = set()
        self._by_symbol: dict[str, set[MarketSubscription]] = {}  # of symbols that have marks
        self._told: dict[Key, tuple[Hashable, str]] = {}
        self._outside: set[tuple[str, str, Condition]] | None = None  # None: not known yet

    def __iter__(self) -> Iterator[MarketSubscription]:
        return iter(self._listeners)

    def add(self, subscription: MarketSubscription) -> None:
        """Put a subscription through: it gets all its markets, then every change."""
        self._listeners.add(subscription)
        for symbol, listeners in self._by_symbol.items():
            if symbol in subscription.symbols:
                listeners.add(subscription)
        for key, (_, encoded) in self._told.items():
            if subscription in self._by_symbol[key[1]]:
                subscription.take(key, encoded)

    def remove(self, subscription: MarketSubscription) -> None:
        """Forget a subscription, and what was told of markets that nobody listens to now."""
        self._listeners.discard(subscription)
        for listeners in self._by_symbol.values():
            listeners.discard(subscription)
        self._told = {key: told for key, told in self._told.items() if self._by_symbol[key[1]]}

    def crossed(self, crossing: Crossing) -> None:
        """Take note of a crossing; returns at once."""
        if self._outside is None:
            return
        name = (crossing.venue, crossing.symbol, crossing.condition)
        if crossing.is_outside != (name in self._outside):
            self._outside ^= {name}
            self._tell(crossing)

    def settled(self, standing: Iterable[Crossing]) -> None:
        """Take how every market stands: for the first time, or after marks were missed."""
        if self._outside is None:
            outside = (each for each in standing if each.is_outside)
            self._outside = {(each.venue, each.symbol, each.condition) for each in outside}
        else:
            for each in standing:
                self.crossed(each)

    async def run(self) -> None:
        """Tell of what changed until cancelled."""
        while True:
            due_at = anyio.current_time() + EVERY_S
            self._markets.judge()
            if self._listeners:
                await self._look()
            await anyio.sleep_until(due_at)

    async def _look(self) -> None:
        states = self._markets.states()
        self._told = {key: told for key, told in self._told.items() if key in states}
        due = [key for key, state in states.items() if self._is_due(key, state)]
        for start in range(0, len(due), MARKETS_A_SLICE):
            began = time.perf_counter()
            for view in self._markets.views(due[start : start + MARKETS_A_SLICE]):
                key = (view.venue, view.symbol)
                self._hand_on(key, states[key], msgspec.json.encode(view).decode())
            await anyio.sleep((time.perf_counter() - began) * (1.0 / _SHARE - 1.0))

    def _is_due(self, key: Key, state: Hashable) -> bool:
        symbol = key[1]
        if symbol not in self._by_symbol:
            self._by_symbol[symbol] = {each for each in self._listeners if symbol in each.symbols}
        told = self._told.get(key)
        return bool(self._by_symbol[symbol]) and (told is None or told[0] != state)

    def _hand_on(self, key: Key, state: Hashable, encoded: str) -> None:
        listeners = self._by_symbol[key[1]]
        if listeners:  # they may leave while others are looked up
            self._told[key] = (state, encoded)
        for subscription in listeners:
            subscription.take(key, encoded)
