"""What is known of every market now: instruments, marks, staleness, an asset's worth in USD.

A market is a (venue, symbol) as an account of that venue sees it: its own instrument and mark where
there are any, else generic's. A table made with a parent is a layer over it: what it was given
itself goes first, the parent's answers the rest, and the parent is never written.

`columns()`, `tables()` and `asset_prices()` are views of live arrays: use them at once, don't keep
them over the next `put_`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from service.risk.columns import Floats, Markets, TierTables, empty_markets, enlarged
from service.risk.model import GENERIC_VENUE, USD, Instrument, Mark, PoolKey
from service.risk.reports import Basis, Key, Report, lookups, price_in_usd, price_on, worth_of
from service.risk.symbols import base_of, settle_of, sources
from service.risk.tiers import empty_tables, widened, width_for, write_table
from service.risk.venues import RULES


class MarketTable:
    """Numbers for markets and assets, with their newest facts as columns; one writer."""

    def __init__(
        self,
        parent: "MarketTable | None" = None,
        pegged: Iterable[str] = (),
        basis: Basis = "mark",
    ) -> None:
        self._parent, self._basis = parent, basis
        self.pegged: frozenset[str] = parent.pegged if parent else frozenset(pegged) | {USD}
        self._instruments: dict[Key, Instrument] = {}
        self._reports: dict[Key, Report] = {}
        self._stale: dict[Key, bool] = {}
        self._rows: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._by_symbol: dict[str, list[int]] = defaultdict(list)
        self._used: list[tuple[Instrument | None, Key | None, Report | None]] = []
        self._markets = empty_markets(8)
        self._columns: Markets | None = None  # views of them, made when asked for
        self._tiers = empty_tables(8, 1)
        self._assets: dict[Key, int] = {}
        self._asset_keys: list[Key] = []
        self._priced_by: dict[int, list[int]] = defaultdict(list)
        self._asset_price: Floats = np.full(8, np.nan)
        self._watched: dict[Key, int] = {}  # the assets whose prices are kept
        self._marked: set[int] = set()  # markets with another mark or quality than was taken
        self._termed: set[int] = set()  # markets with other terms

    def market(self, venue: str, symbol: str) -> int:
        """Return the number of a market, registering it at first sight (a venue must be known)."""
        key = (venue, symbol)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._keys)
            self._keys.append(key)
            self._by_symbol[symbol].append(row)
            self._used.append((None, None, None))
            self._make_room(len(self._keys))
            self._termed.add(row)
            self._marked.add(row)
            self._refresh_instrument(row)
            self._refresh_mark(row)
        return row

    def asset(self, venue: str, name: str) -> int:
        """Return an asset's number as a venue's accounts price it; from now on it is priced."""
        number = self._watched.get((venue, name))
        if number is None:
            number = self._watched[(venue, name)] = self._number(venue, name)
            for symbol in () if name in self.pegged else sources(name):
                self._priced_by[self.market(venue, symbol)].append(number)
            self._refresh_asset(number)
        return number

    def _number(self, venue: str, name: str) -> int:
        key = (venue, name)
        number = self._assets.get(key)
        if number is None:
            number = self._assets[key] = len(self._asset_keys)
            self._asset_keys.append(key)
            if number >= len(self._asset_price):
                more = np.full(2 * number, np.nan)
                more[:number] = self._asset_price
                self._asset_price = more
        return number

    def put_instrument(self, instrument: Instrument) -> list[int]:
        """Take a contract's newest terms; returns the markets whose terms are now these."""
        self._instruments[(instrument.venue, instrument.symbol)] = instrument
        rows = self.shown_by(instrument.venue, instrument.symbol)
        return [row for row in rows if self._refresh_instrument(row)]

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

    def renew_mark(self, mark: Mark, event_time_ms: int, rows: Sequence[int]) -> None:
        """Take a newer mark of a symbol that these markets are `showing`.

        Who keeps a copy (`take_touched`) is not told: he has shown it there already.
        """
        key = (mark.venue, mark.symbol)
        report = self._reports[key] = Report(mark, event_time_ms)
        for row in rows:
            self._show(row, key, report)

    def put_mark(self, mark: Mark, event_time_ms: int = 0) -> list[int]:
        """Take a newer mark; returns the markets that show it now."""
        self._reports[(mark.venue, mark.symbol)] = Report(mark, event_time_ms)
        rows = self.shown_by(mark.venue, mark.symbol)
        return [row for row in rows if self._refresh_mark(row)]

    def set_stale(self, venue: str, symbol: str, stale: bool) -> list[int]:
        """Take the gate's word on a symbol's marks; returns the markets whose flag it is."""
        self._stale[(venue, symbol)] = stale
        rows = []
        for row in self.shown_by(venue, symbol):
            if self._used[row][1] == (venue, symbol):
                self._markets.stale[row] = stale
                self._marked.add(row)
                rows.append(row)
        return rows

    def instrument(self, market: int) -> Instrument | None:
        """Return the terms a market goes by; None: nobody listed it."""
        return self._used[market][0]

    def settle_name(self, market: int) -> str:
        """Return the asset a market settles in, by its instrument, else by its symbol."""
        instrument = self._used[market][0]
        return instrument.settle if instrument else settle_of(self._keys[market][1])

    def find_instrument(self, venue: str, symbol: str) -> Instrument | None:
        """Return what an account of a venue would be given, without registering anything."""
        for key in lookups(venue, symbol):
            if key in self._instruments:
                return self._instruments[key]
        return self._parent.find_instrument(venue, symbol) if self._parent else None

    def instrument_venue(self, market: int) -> str | None:
        """Return whose instrument a market goes by: its own venue's or generic."""
        instrument = self._used[market][0]
        return instrument.venue if instrument else None

    def mark_venue(self, market: int) -> str | None:
        """Return whose mark a market shows: its own venue's or generic."""
        key = self._used[market][1]
        return key[0] if key else None

    def mark_time(self, market: int) -> int | None:
        """Return the event time (ms) of the mark a market shows."""
        report = self._used[market][2]
        return report.event_time_ms if report else None

    def seen(self, market: int) -> tuple[bool, float | None, list[float]]:
        """Return what a judgement sees of a market: whether its mark is stale, the mark, and the
        prices of the assets that may move with it."""
        report, assets = self._used[market][2], self._priced_by.get(market)
        price = report.mark.mark_price if report else None
        worth = self._asset_price[assets].tolist() if assets else []
        return bool(self._markets.stale[market]), price, worth

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
            rows, everything = len(self._keys), self._markets
            views = {name: getattr(everything, name)[:rows] for name in Markets.__slots__}
            self._columns = Markets(**views)
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

    def find_report(self, venue: str, symbol: str) -> tuple[Key, Report, bool] | None:
        """Return the report a venue's accounts go by, whose it is, whether stale; as it is now."""
        for key in lookups(venue, symbol):
            report = self._reports.get(key)
            if report is not None:
                return key, report, self._stale.get(key, False)
        return self._parent.find_report(venue, symbol) if self._parent else None

    # Inside

    def _make_room(self, rows: int) -> None:
        self._columns = None
        if rows > len(self._markets.mark):
            self._markets = enlarged(self._markets, empty_markets(2 * rows))
            self._tiers = widened(self._tiers, 2 * rows, self._tiers.floor.shape[1])

    def _refresh_instrument(self, row: int) -> bool:
        """Show the instrument that serves a market now; says whether that changed."""
        venue, symbol = self._keys[row]
        instrument = self.find_instrument(venue, symbol)
        if instrument is self._used[row][0] and instrument is not None:
            return False
        self._used[row] = (instrument, *self._used[row][1:])
        settle = instrument.settle if instrument else settle_of(symbol)
        self._markets.base[row] = self._number(
            venue, instrument.base if instrument else base_of(symbol)
        )
        self._markets.settle[row] = self._number(venue, settle)
        if instrument is None:
            return False
        self._markets.linear[row] = instrument.linear
        self._markets.contract_size[row] = instrument.contract_size
        fee = instrument.taker_fee
        self._markets.taker_fee[row] = np.nan if fee is None else fee
        self._markets.table[row] = row
        width = width_for(len(instrument.tiers))
        if width > self._tiers.floor.shape[1]:
            self._tiers = widened(self._tiers, len(self._markets.mark), width)
        write_table(self._tiers, row, instrument, RULES[venue])
        self._termed.add(row)
        self._marked.add(row)
        return True

    def _refresh_mark(self, row: int) -> bool:
        """Show the mark that serves a market now, and reprice the assets that follow it."""
        venue, symbol = self._keys[row]
        found = self.find_report(venue, symbol)
        if found is None or found[1] is self._used[row][2]:
            return False
        key, report, stale = found
        self._markets.stale[row] = stale
        self._marked.add(row)
        self._show(row, key, report)
        return True

    def _show(self, row: int, key: Key, report: Report) -> None:
        self._used[row] = (self._used[row][0], key, report)
        self._markets.mark[row] = price_on(report.mark, self._basis)
        for asset in self._priced_by.get(row, ()):
            self._refresh_asset(asset)

    def _refresh_asset(self, asset: int) -> None:
        venue, name = self._asset_keys[asset]
        self._asset_price[asset] = price_in_usd(name, self.pegged, partial(self._reported, venue))

    def _reported(self, venue: str, symbol: str) -> float | None:
        found = self.find_report(venue, symbol)
        return None if found is None else worth_of(found[1].mark)
