"""Marks of any venue that ccxt knows: a task a symbol, by WebSocket, and by REST where that fails.

ccxt's call for many symbols starves some of them, so every symbol has a task and a wait of its own.
A mark is what the venue calls one: `watchMarkPrice`, else the mark in a ticker or in its `info`;
a last price never becomes a mark. Where a ticker has none, the mark is polled.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NoReturn

from service.contract.feeds import FeedFigures
from service.feeds.batches import send_batches
from service.feeds.connection import SAID_MAX, Origins, Pace, delay_s
from service.feeds.intake import ClockRules, Figure, Intake
from service.feeds.sinks import MarkSink
from service.feeds.symbols import perpetual
from service.feeds.venue import CCXT
from service.imports import ccxt_pro
from service.imports.conventions import VENUES_OF_CLASSES

SYMBOLS_MAX = 200  # tasks of a feed; more have to be named
SILENT_AFTER_S = 15.0  # of one symbol, then it is asked for by REST; of all, then all begins anew
POLL_EVERY_S = 2.0
POLL_AFTER = 3  # tickers without a mark, one after the other

# Where venues say in `info` what ccxt's ticker leaves out.
_MARKS = ("markPrice", "mark_price", "markPx", "fairPrice")
_INDEXES = ("indexPrice", "index_price", "idxPx")
_FUNDINGS = ("fundingRate", "funding_rate")

_log = logging.getLogger("plimsoll.feeds")

Ask = Callable[[str], Awaitable[Any]]


class AllSilent(Exception):
    """No symbol has had a mark for too long."""


class CcxtFeed:
    """A venue's marks by ccxt; it lives in a process of its own."""

    def __init__(
        self,
        name: str,
        sink: MarkSink,
        symbols: Sequence[str] = (),
        *,
        pace: Pace | None = None,
        clock: ClockRules | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.name = name
        self._class = name.removeprefix(CCXT)
        self.intake = Intake(VENUES_OF_CLASSES[self._class], clock)
        self._sink = sink
        self._symbols = tuple(symbols)
        self._pace = pace or Pace()
        self._origins = origins or Origins()
        self._silent_after_s = self._pace.silent_after_s or SILENT_AFTER_S
        self._heard_s = 0.0
        self._watching = 0
        self._reconnects = 0

    async def run(self) -> None:
        """Take marks until cancelled; after a loss all begins anew, further apart each time."""
        async with asyncio.TaskGroup() as tasks:
            sending = send_batches(self.name, self.intake, self._sink, self._pace.flush_s)
            tasks.create_task(sending, name=f"batches of {self.name}")
            tasks.create_task(self._lives(), name=f"lives of {self.name}")

    def figures(self) -> FeedFigures:
        """Return how the feed is doing; a line is a symbol."""
        return self.intake.figures(self._watching or 1, self._live(), self._reconnects)

    def _live(self) -> int:
        silent = _now_s() - self._heard_s > self._silent_after_s
        return 0 if silent else self._watching

    async def _lives(self) -> NoReturn:
        failures = 0
        while True:
            began_s, taken = _now_s(), self.intake.taken
            reason = await self._until_lost()
            settled = _now_s() - began_s >= self._pace.settled_after_s
            failures = 0 if settled and self.intake.taken > taken else failures + 1
            self._watching, self._reconnects = 0, self._reconnects + 1
            wait_s = delay_s(self._pace, failures)
            _log.warning("%s: %s; again in %.1f s", self.name, reason, wait_s)
            await asyncio.sleep(wait_s)

    async def _until_lost(self) -> str:
        """Ask for the markets, watch every symbol; return in words why it ended."""
        reason = ""
        exchange = ccxt_pro.opened(self._class, {}, self._origins.listing, self._origins.stream)
        try:
            async with asyncio.timeout(self._pace.open_within_s * 3.0):
                markets = await exchange.load_markets()
            symbols = self._wanted(markets)
            self._heard_s, self._watching = _now_s(), len(symbols)
            _log.info("%s: %d symbols", self.name, len(symbols))
            async with asyncio.TaskGroup() as tasks:
                for symbol in symbols:
                    tasks.create_task(self._watch(exchange, symbol), name=f"{self.name} {symbol}")
                tasks.create_task(self._guard(), name=f"silence of {self.name}")
        except* AllSilent:
            reason = f"no mark of any symbol for {self._silent_after_s:g} s"
        except* Exception as group:  # ccxt's tree of errors is not there to be named
            error = group.exceptions[0]
            reason = f"{type(error).__name__} {error}".strip()[:SAID_MAX]
        finally:
            await exchange.close()
        return reason

    def _wanted(self, markets: dict[str, Any]) -> list[str]:
        """Return the perpetuals that are asked for, by exact names; the others are left out."""
        found: list[str] = []
        for symbol, market in sorted(markets.items()):
            if not market.get("swap") or market.get("active") is False:
                continue
            if self._symbols and symbol not in self._symbols:
                continue
            assets = (str(market.get(name)) for name in ("base", "quote", "settle"))
            if perpetual(*assets) != symbol:
                self.intake.leave_out(symbol, "not_named")
            elif len(found) == SYMBOLS_MAX:
                self.intake.leave_out(symbol, "beyond_limit")
            else:
                found.append(symbol)
        for symbol in set(self._symbols) - set(found):
            self.intake.leave_out(symbol, "not_listed")
        return found

    async def _guard(self) -> NoReturn:
        while True:
            left_s = self._heard_s + self._silent_after_s - _now_s()
            if left_s <= 0.0:
                raise AllSilent
            await asyncio.sleep(left_s)

    async def _watch(self, exchange: Any, symbol: str) -> NoReturn:
        """Follow one symbol: its stream, and its REST where the stream has nothing to say."""
        watch, poll = roads(exchange)
        failures = without = 0
        listening: asyncio.Task[Any] | None = None
        try:
            while True:
                if watch is None or without >= POLL_AFTER:
                    await self._poll(poll, symbol)
                    await asyncio.sleep(POLL_EVERY_S)
                    continue
                # A cancelled wait would spoil ccxt's future for all later ones: so it goes on.
                listening = listening or asyncio.create_task(_called(watch, symbol))
                done, _ = await asyncio.wait([listening], timeout=self._silent_after_s / 2.0)
                if not done:
                    await self._poll(poll, symbol)
                    continue
                heard, listening = listening, None
                error = _lost(heard)
                if error is None:
                    failures = 0
                    without = 0 if self._take(symbol, heard.result()) else without + 1
                    continue
                failures += 1
                _log.debug("%s: %s: %s", self.name, symbol, error)
                await asyncio.sleep(delay_s(self._pace, failures))
        finally:
            if listening is not None:
                listening.cancel()

    async def _poll(self, poll: Ask | None, symbol: str) -> None:
        if poll is None:
            return
        try:
            async with asyncio.timeout(self._pace.open_within_s):
                self._take(symbol, await poll(symbol))
        except Exception as error:  # as above
            self.intake.refuse("not_fetched")
            _log.debug("%s: %s by REST: %s", self.name, symbol, error)

    def _take(self, symbol: str, told: Any) -> bool:
        """Take what a call says of a symbol; return whether there is a mark in it at all."""
        if not isinstance(told, dict):
            self.intake.refuse("malformed")
            return False
        self.intake.begin_frame()
        mark = said(told, _MARKS)
        if mark is None:
            self.intake.refuse("no_mark")
            return False
        moment = told.get("timestamp")
        self.intake.take(
            symbol,
            mark,
            index=said(told, _INDEXES),
            last=said(told, ("last",)),
            funding=said(told, _FUNDINGS),
            time_ms=moment if isinstance(moment, int) else None,
        )
        if self.intake.end_frame():
            self._heard_s = _now_s()
        return True


def roads(exchange: Any) -> tuple[Ask | None, Ask | None]:
    """Return how a symbol's mark is watched, and how it is asked for; None: the venue has none."""
    has = exchange.has
    watch = poll = None
    if has.get("watchMarkPrice") is True:
        watch = exchange.watch_mark_price
    elif has.get("watchTicker") is True:
        watch = exchange.watch_ticker
    if has.get("fetchMarkPrice") is True:
        poll = exchange.fetch_mark_price
    elif has.get("fetchFundingRate"):
        poll = exchange.fetch_funding_rate
    elif has.get("fetchTicker") is True:
        poll = exchange.fetch_ticker
    return watch, poll


def said(told: dict[str, Any], names: Iterable[str]) -> Figure:
    """Return what is said under one of these names, by ccxt or in the venue's own words."""
    info = told.get("info")
    places = [told, info] if isinstance(info, dict) else [told]
    for place in places:
        for name in names:
            value = place.get(name)
            if isinstance(value, str | float | int) and not isinstance(value, bool):
                return value
    return None


def _lost(heard: asyncio.Task[Any]) -> BaseException | None:
    """Return why a wait came to nothing; one that ccxt itself has cancelled must not end ours."""
    return asyncio.CancelledError() if heard.cancelled() else heard.exception()


async def _called(ask: Ask, symbol: str) -> Any:
    return await ask(symbol)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
