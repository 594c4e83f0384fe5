"""What is known of every market now: instruments, marks, their quality, an asset's worth in USD.

A market is a (venue, symbol) as an account of that venue sees it: its own instrument and mark where
there are any, else generic's. A table made with a parent is a layer over it: what it was given
itself goes first, the parent's answers the rest, and the parent's facts are never written. A layer
begins with the markets and assets that earlier layers have asked for, as far as they are listed:
their parent keeps them up to date, and a copy costs a hundredth of finding them all again.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from service.risk.columns import empty_markets, enlarged
from service.risk.model import GENERIC_VENUE, USD, Instrument, Mark
from service.risk.numbered import NumberedMarkets
from service.risk.quality import GOOD, Verdict
from service.risk.reports import Basis, Key, Report, lookups, price_in_usd, price_on, worth_of
from service.risk.symbols import base_of, settle_of, sources
from service.risk.tiers import widened, width_for, write_table
from service.risk.venues import RULES

# Of a table at most so many markets are kept up to date for its layers; each layer copies them.
SHARED_MAX = 512


class _Quotes(NamedTuple):
    """Marks of many symbols that came at once, at one venue."""

    marks: Mapping[str, float]
    event_time_ms: int


class MarketTable(NumberedMarkets):
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
        self._verdicts: dict[Key, Verdict] = {}
        self._quotes: dict[str, _Quotes] = {}  # by venue
        self._shares = parent is not None and basis == parent._basis
        super().__init__(parent if self._shares else None)

    def market(self, venue: str, symbol: str) -> int:
        """Return the number of a market, registering it at first sight (a venue must be known)."""
        key = (venue, symbol)
        row = self._rows.get(key)
        if row is None:
            self._have_kept(venue, symbol)
            row = self._rows[key] = len(self._keys)
            self._keys.append(key)
            self._by_symbol[symbol] = [*self._by_symbol.get(symbol, ()), row]
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
            parent = self._parent if self._shares else None
            if parent is not None and (venue, name) in parent._assets:
                parent._watch(venue, name)
            number = self._watched[(venue, name)] = self._number(venue, name)
            for symbol in () if name in self.pegged else sources(name):
                market = self.market(venue, symbol)
                self._priced_by[market] = [*self._priced_by.get(market, ()), number]
            self._refresh_asset(number)
        return number

    def _have_kept(self, venue: str, symbol: str) -> None:
        """Have the parent keep a market for later layers, if it lists it."""
        parent = self._parent if self._shares else None
        if parent is None or len(parent._keys) >= SHARED_MAX:
            return
        if parent.find_instrument(venue, symbol) is not None:
            parent.market(venue, symbol)

    def _watch(self, venue: str, name: str) -> None:
        """Keep an asset's price for later layers."""
        if len(self._keys) < SHARED_MAX:
            self.asset(venue, name)

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

    def quote(self, venue: str, marks: Mapping[str, float], event_time_ms: int) -> None:
        """Take marks of many symbols of a venue at once, in a layer that was told none of it yet.

        It is kept as it is given. A report is made of what somebody asks for: of few, mostly.
        """
        assert self._parent is not None
        assert venue not in self._quotes
        self._quotes[venue] = _Quotes(marks, event_time_ms)
        shown = Report(Mark("", math.nan, venue), event_time_ms)  # markets are asked for its time
        rows, mark, is_mark = [], self._markets.mark, self._basis == "mark"
        by_symbol, keys, used = self._by_symbol, self._keys, self._used
        for symbol, price in marks.items():
            for row in by_symbol.get(symbol, ()):
                if keys[row][0] == venue or self._goes_by_generic(row, venue):
                    used[row] = (used[row][0], (venue, symbol), shown)
                    mark[row] = price if is_mark else math.nan
                    rows.append(row)
        self._markets.quality[rows], self._markets.most[rows] = GOOD
        self._marked.update(rows)
        priced_by = self._priced_by
        for asset in {asset for row in priced_by.keys() & rows for asset in priced_by[row]}:
            self._refresh_asset(asset)

    def judge_marks(self, venue: str, symbol: str, verdict: Verdict) -> list[int]:
        """Take the gate's word on a symbol's marks; returns the markets that it is said of."""
        self._verdicts[(venue, symbol)] = verdict
        rows = []
        for row in self.shown_by(venue, symbol):
            if self._used[row][1] == (venue, symbol):
                self._show_verdict(row, verdict)
                rows.append(row)
        return rows

    def find_instrument(self, venue: str, symbol: str) -> Instrument | None:
        """Return what an account of a venue would be given, without registering anything."""
        for key in lookups(venue, symbol):
            if key in self._instruments:
                return self._instruments[key]
        return self._parent.find_instrument(venue, symbol) if self._parent else None

    def find_report(self, venue: str, symbol: str) -> tuple[Key, Report, Verdict] | None:
        """Return the report a venue's accounts go by, whose it is, what the gate says."""
        for key in lookups(venue, symbol):
            report = self._reports.get(key)
            if report is None and self._quotes:
                report = self._quoted(*key)
            if report is not None:
                return key, report, self._verdicts.get(key, GOOD)
        return self._parent.find_report(venue, symbol) if self._parent else None

    def lists(self, venue: str, symbol: str) -> bool:
        """Whether an account of a venue would be given an instrument."""
        row = self._rows.get((venue, symbol))
        shown = None if row is None else self._used[row][0]
        return shown is not None or self.find_instrument(venue, symbol) is not None

    # Inside

    def _quoted(self, venue: str, symbol: str) -> Report | None:
        quotes = self._quotes.get(venue)
        price = None if quotes is None else quotes.marks.get(symbol)
        if quotes is None or price is None:
            return None
        return Report(Mark(symbol, price, venue), quotes.event_time_ms)

    def _goes_by_generic(self, row: int, venue: str) -> bool:
        """Whether a market goes by another venue's report: generic's, where it has none itself."""
        own, symbol = self._keys[row]
        told = (own, symbol) in self._reports or self._quoted(own, symbol) is not None
        return venue == GENERIC_VENUE and not told

    def _make_room(self, rows: int) -> None:
        self._columns = None
        if rows > len(self._markets.mark):
            self._markets = enlarged(self._markets, empty_markets(2 * rows))
            self._tiers = widened(self._tiers, 2 * rows, self._tiers.floor.shape[1])
            self._tiers_shared = False

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
        width = max(width_for(len(instrument.tiers)), self._tiers.floor.shape[1])
        if self._tiers_shared or width > self._tiers.floor.shape[1]:
            self._tiers = widened(self._tiers, len(self._markets.mark), width)
            self._tiers_shared = False
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
        key, report, verdict = found
        self._show_verdict(row, verdict)
        self._show(row, key, report)
        return True

    def _show_verdict(self, row: int, verdict: Verdict) -> None:
        self._markets.quality[row], self._markets.most[row] = verdict
        self._marked.add(row)

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
