"""Markets and assets that have numbers, and what is known of each as columns: the reading side.

`columns()`, `tables()` and `asset_prices()` are views of live arrays: use them at once, don't keep
them over the next `put_`.
"""

from collections.abc import Iterable
from itertools import starmap
from typing import NamedTuple, TypeAlias

import numpy as np

from service.risk.columns import (
    Floats,
    Markets,
    TierTables,
    Words,
    copied,
    empty_markets,
    first_rows,
)
from service.risk.model import GENERIC_VENUE, Instrument, PoolKey
from service.risk.reports import Key, Report
from service.risk.tiers import empty_tables

# What a market goes by: its instrument, whose mark it shows, and that.
Used: TypeAlias = tuple[Instrument | None, Key | None, Report | None]


class Origin(NamedTuple):
    """Whose instrument and whose mark a market goes by, and when that was; None: it has none."""

    instrument_venue: str | None
    mark_venue: str | None
    mark_time_ms: int | None


class NumberedMarkets:
    """Read here, written by the `MarketTable` that it is a part of.

    Lists inside of dictionaries are replaced, never appended to: copies share them.
    """

    def __init__(self, begun: "NumberedMarkets | None" = None) -> None:
        self._columns: Markets | None = None  # views of them, made when asked for
        if begun is None:
            self._begin()
        else:
            self._begin_as(begun)

    def _begin(self) -> None:
        self._rows: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._by_symbol: dict[str, list[int]] = {}
        self._used: list[Used] = []
        self._markets = empty_markets(8)
        self._tiers = empty_tables(8, 1)
        self._tiers_shared = False  # with a copy: they are copied before they are written
        self._assets: dict[Key, int] = {}
        self._asset_keys: list[Key] = []
        self._priced_by: dict[int, list[int]] = {}
        self._asset_price: Floats = np.full(8, np.nan)
        self._watched: dict[Key, int] = {}  # the assets whose prices are kept
        self._marked: set[int] = set()  # markets with another mark or quality than was taken
        self._termed: set[int] = set()  # markets with other terms

    def _begin_as(self, other: "NumberedMarkets") -> None:
        """Take over the markets and assets of another, as they are now."""
        self._rows, self._keys = other._rows.copy(), other._keys.copy()
        self._by_symbol, self._used = other._by_symbol.copy(), other._used.copy()
        self._markets = copied(other._markets)
        self._tiers = other._tiers
        self._tiers_shared = other._tiers_shared = True
        self._assets, self._asset_keys = other._assets.copy(), other._asset_keys.copy()
        self._priced_by, self._watched = other._priced_by.copy(), other._watched.copy()
        self._asset_price = other._asset_price.copy()
        self._marked, self._termed = set(), set()  # nobody keeps a copy of a layer

    def shown_by(self, venue: str, symbol: str) -> list[int]:
        """Return the markets that a mark may be shown by: generic's may serve other venues."""
        rows = self._by_symbol.get(symbol, ())
        return [row for row in rows if venue in (GENERIC_VENUE, self._keys[row][0])]

    def showing(self, venue: str, symbol: str) -> list[int] | None:
        """Return the markets that show a symbol's marks; None: its next one is first somewhere."""
        rows, key = [], (venue, symbol)
        for row in self._by_symbol.get(symbol, ()):
            shown = self._used[row][1]
            if shown == key:
                rows.append(row)
            elif self._keys[row] == key or (shown is None and venue == GENERIC_VENUE):
                return None
        return rows

    def instrument(self, market: int) -> Instrument | None:
        """Return the terms a market goes by; None: nobody listed it."""
        return self._used[market][0]

    def origins(self, markets: Iterable[int]) -> Words[Origin]:
        """Return where markets' instruments and marks are from, each its own venue or generic."""
        known: dict[tuple[str | None, str | None, int | None], int] = {}
        codes = []
        for instrument, key, report in map(self._used.__getitem__, markets):
            listed = instrument.venue if instrument else None
            told = (
                (listed, key[0], report.event_time_ms) if key and report else (listed, None, None)
            )
            codes.append(known.setdefault(told, len(known)))
        return Words(list(starmap(Origin, known)), np.array(codes, np.int64))

    def seen(self, market: int) -> tuple[tuple[int, int], float | None, list[float]]:
        """Return what a judgement sees of a market: its mark's quality and what that
        allows, the mark, and the prices of the assets that may move with it."""
        report, assets = self._used[market][2], self._priced_by.get(market)
        price = report.mark.mark_price if report else None
        worth = self._asset_price[assets].tolist() if assets else []
        standing = (int(self._markets.quality[market]), int(self._markets.most[market]))
        return standing, price, worth

    def market_key(self, market: int) -> Key:
        """Return the (venue, symbol) that a number stands for."""
        return self._keys[market]

    def isolated_key(self, settle: str, market: int, is_long: bool) -> PoolKey:
        """Return the name of an isolated pool."""
        _, symbol = self._keys[market]
        return PoolKey("isolated", settle, symbol, "long" if is_long else "short")

    def asset_key(self, asset: int) -> Key:
        """Return the (venue, currency code) that a number stands for."""
        return self._asset_keys[asset]

    def asset_name(self, asset: int) -> str:
        """Return the currency code of an asset number."""
        return self._asset_keys[asset][1]

    def columns(self) -> Markets:
        """Return all markets as columns (live views)."""
        if self._columns is None:
            self._columns = first_rows(self._markets, len(self._keys))
        return self._columns

    def tables(self) -> TierTables:
        """Return the tier tables; a market's table has the market's number (a live view)."""
        return self._tiers

    def asset_prices(self) -> Floats:
        """Return the USD price of every asset; NaN where unknown (a live view)."""
        return self._asset_price[: len(self._asset_keys)]

    def assets_priced_by(self, market: int) -> list[int]:
        """Return the assets whose USD price may move with this market's mark."""
        return self._priced_by.get(market, [])

    def take_touched(self) -> tuple[list[int], list[int]]:
        """Return the markets with another mark or quality, and with other terms, since last asked.

        For one who keeps a copy.
        """
        marked, termed = list(self._marked), list(self._termed)
        self._marked.clear()
        self._termed.clear()
        return marked, termed
