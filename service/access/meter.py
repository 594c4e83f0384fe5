"""The meter: how much a key may ask for, by the units that its calls cost.

Units grow back at the key's rate, up to what grows in some seconds: so many may be used at once. A
call that costs more than all of them is taken when all are there, and the next one waits until they
have grown back.

All workers share a key's units in the store. A worker takes them in portions and charges small
calls to what it has, so most of them ask nobody. What it holds is never more than a twentieth of a
second's growth, and by so much for each worker a key may exceed its limit once. While the store is
away each worker counts for itself, by the same rule: a key can have its rate from every worker.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from service.access.door import Caller
from service.errors import StoreUnavailable
from service.store.units import Grant

PORTION_S = 0.05
TAKE_S = 0.25  # a store that takes longer counts as away
AWAY_S = 1.0  # and is asked again after so long
REMEMBERED_MAX = 10_000


class UnitStore(Protocol):
    """Where all workers' units are."""

    async def take(
        self, key_id: str, rate_per_s: float, burst: int, needed: int, wanted: int
    ) -> Grant: ...


@dataclass(frozen=True, slots=True)
class Allowance:
    """Units that grow back in a second, and the most there can be, which grow in `burst_s`."""

    rate_per_s: float
    burst_s: float

    @property
    def burst(self) -> int:
        """Return the most units there can be."""
        return max(1, math.floor(self.rate_per_s * self.burst_s))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key has left, and when it has everything again.

    `wait_s`: a call is refused, and may be made again after so long; 0: it is taken.
    """

    allowance: Allowance
    left: int
    wait_s: int = 0

    @property
    def reset_s(self) -> int:
        """Return the seconds after which to ask again, or after which everything is there."""
        missing = self.allowance.burst - self.left
        return self.wait_s or math.ceil(missing / self.allowance.rate_per_s)


@dataclass(slots=True)
class _Stock:
    """What this worker holds of a key's units, and what it was told of the others."""

    allowance: Allowance
    held: int = 0
    left: int = 0  # in the store, when it last said so
    said_s: float = -math.inf
    ask_after_s: float = 0.0  # while the store is away
    full_s: float = 0.0  # when all that we gave without the store has grown back
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def left_at(self, now_s: float) -> float:
        """Return what there is if no other worker has taken any since the store was asked."""
        grown = (now_s - self.said_s) * self.allowance.rate_per_s
        return min(float(self.allowance.burst), self.held + self.left + grown)

    def standing(self, now_s: float, wait_ms: int = 0) -> Standing:
        """Return how the key stands, as far as this worker knows."""
        wait_s = max(1, math.ceil(wait_ms / 1_000.0)) if wait_ms else 0
        return Standing(self.allowance, max(0, int(self.left_at(now_s))), wait_s)

    def without_store(self, now_s: float, needed: int) -> Grant:
        """Give units by the rule of `take_units.lua`, out of our own count."""
        rate, burst = self.allowance.rate_per_s, self.allowance.burst
        full_s = max(self.full_s, now_s)
        room = burst - (full_s - now_s) * rate
        least = min(needed, burst)
        if room < least:
            return Grant(0, math.floor(room), math.ceil((least - room) / rate * 1_000.0))
        self.full_s = full_s + needed / rate
        return Grant(needed, math.floor(room - needed), 0)


class Meter:
    """One a worker. `rate_per_s` is that of a key that has none of its own; 0 is no limit."""

    def __init__(
        self,
        units: UnitStore,
        rate_per_s: float,
        burst_s: float,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._units = units
        self._rate_per_s = rate_per_s
        self._burst_s = burst_s
        self._clock_s = clock_s
        self._stocks: dict[str, _Stock] = {}

    async def charge(self, caller: Caller, units: int) -> Standing | None:
        """Take what a call costs, or say how long to wait; None: the caller has no limit."""
        stock = self._stock_of(caller)
        if stock is None:
            return None
        wait_ms = 0
        if stock.held < units:
            async with stock.asking:
                if stock.held < units:
                    wait_ms = await self._fill(caller.key_id, stock, units - stock.held)
        if not wait_ms:
            stock.held -= units
        return stock.standing(self._clock_s(), wait_ms)

    async def wait_for(self, caller: Caller, units: int) -> None:
        """Take units once they are there: who sends on and on is read more slowly."""
        while True:
            standing = await self.charge(caller, units)
            if standing is None or not standing.wait_s:
                return
            await asyncio.sleep(standing.wait_s)

    def look(self, caller: Caller) -> Standing | None:
        """Return how a caller stands before it is charged: refused where nothing can be left."""
        stock = self._stock_of(caller)
        if stock is None:
            return None
        now_s = self._clock_s()
        missing = 1.0 - stock.left_at(now_s)
        wait_ms = math.ceil(missing / stock.allowance.rate_per_s * 1_000.0)
        return stock.standing(now_s, max(0, wait_ms))

    def _stock_of(self, caller: Caller) -> _Stock | None:
        """Return what we hold for a caller; None: it has no limit, or no key."""
        rate = self._rate_per_s if caller.rate_per_s is None else caller.rate_per_s
        if not caller.key_id or rate == 0.0:
            return None
        stock = self._stocks.get(caller.key_id)
        if stock is None or stock.allowance.rate_per_s != rate:
            if len(self._stocks) >= REMEMBERED_MAX:
                del self._stocks[next(iter(self._stocks))]
            stock = self._stocks[caller.key_id] = _Stock(Allowance(rate, self._burst_s))
        return stock

    async def _fill(self, key_id: str, stock: _Stock, needed: int) -> int:
        """Hold so many units more, or return after how many ms they would be there."""
        grant = await self._taken(key_id, stock, needed)
        stock.held += grant.taken
        stock.left, stock.said_s = grant.left, self._clock_s()
        return grant.wait_ms

    async def _taken(self, key_id: str, stock: _Stock, needed: int) -> Grant:
        now_s, allowance = self._clock_s(), stock.allowance
        if now_s < stock.ask_after_s:
            return stock.without_store(now_s, needed)
        wanted = max(needed, int(allowance.rate_per_s * PORTION_S))
        try:
            async with asyncio.timeout(TAKE_S):
                return await self._units.take(
                    key_id, allowance.rate_per_s, allowance.burst, needed, wanted
                )
        except (StoreUnavailable, TimeoutError):
            stock.ask_after_s = self._clock_s() + AWAY_S
            return stock.without_store(self._clock_s(), needed)
