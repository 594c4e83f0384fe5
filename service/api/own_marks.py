"""Marks that are made here: of what spot sources and the symbol's book say, in the market stream.

Every worker reads the same observations and makes marks of them; a batch has the market id of the
last observation in it as its number, and the stream takes none that knows less than the one before.
So it does not matter how many workers there are, or which of them dies. A worker that starts has no
past: the index is there once its sources agree, the basis averages what was sampled since.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from service.contract.marks import encode_mark
from service.errors import StoreUnavailable
from service.marks.index import IndexRule, SpotIndex
from service.marks.own_mark import MovingBasis, own_marks
from service.risk.mark_rule import OwnMark
from service.risk.model import Instrument, Mark
from service.risk.reports import Key
from service.risk.venues import RULES
from service.store.market_stream import OWN_PRODUCER, OWN_SOURCE, NewMark

EVERY_S = 0.25  # a symbol gets at most a mark
_HOUR_MS = 3_600_000
_log = logging.getLogger("plimsoll.api")


class MarkStore(Protocol):
    """Where marks go; raises StoreUnavailable."""

    async def append_marks(
        self, marks: Sequence[NewMark], producer: str | None = None, batch: int = 0
    ) -> list[int | str]: ...


class OwnMarket:
    """One symbol: what was said of it, and the mark made of that."""

    def __init__(self, venue: str, symbol: str, terms: OwnMark) -> None:
        self.terms = terms
        self._venue, self._symbol = venue, symbol
        self._sources = {name: column for column, (name, _) in enumerate(terms.sources)}
        rule = IndexRule(
            int(terms.fresh_s * 1_000), terms.band, terms.sources_min, int(terms.confirm_s * 1_000)
        )
        self._index = SpotIndex(np.array([[weight for _, weight in terms.sources]]), rule)
        points = max(1, round(terms.basis_s / terms.basis_every_s))
        self._basis = MovingBasis(1, points, int(terms.basis_every_s * 1_000))
        self._book: Mark | None = None

    def observe(self, mark: Mark, now_ms: int) -> None:
        """Take what a spot source says, or the book."""
        column = self._sources.get(mark.source)
        if column is None:
            self._book = mark
        else:
            self._index.say(0, column, mark.mark_price, now_ms)

    def mark(self, now_ms: int) -> Mark | None:
        """Return the mark as of a time; None where too few sources are fresh."""
        index, book = self._index.step(now_ms), self._book_price()
        self._basis.sample(book - index, now_ms)
        funding = np.array([self._funding(now_ms)])
        [price] = own_marks(
            index, self._basis.average(), book, funding, self.terms.divergence_max
        ).tolist()
        if not 0.0 < price < np.inf:
            return None
        said = self._book
        return Mark(
            self._symbol,
            price,
            self._venue,
            index_price=float(index[0]),
            last_price=None if said is None else float(book[0]),
            funding_rate=None if said is None else said.funding_rate,
            timestamp_ms=now_ms,
            source=OWN_SOURCE,
            funding_interval_h=None if said is None else said.funding_interval_h,
        )

    def _book_price(self) -> np.typing.NDArray[np.float64]:
        said = self._book
        if said is None:
            return np.array([np.nan])
        return np.array([said.mark_price if said.last_price is None else said.last_price])

    def _funding(self, now_ms: int) -> float:
        """Return the next payment's rate times the share of its interval that is to come.

        Intervals begin at midnight UTC, as venues' do.
        """
        said = self._book
        if said is None or said.funding_rate is None:
            return 0.0
        hours = said.funding_interval_h or RULES[self._venue].funding_hours
        interval_ms = max(1.0, hours * _HOUR_MS)
        return said.funding_rate * (1.0 - now_ms % interval_ms / interval_ms)


class OwnMarks:
    """The symbols whose marks are made here; told of the stream's entries, `run` writes marks."""

    def __init__(self, store: MarkStore) -> None:
        self._store = store
        self._markets: dict[Key, OwnMarket] = {}
        self._due: set[Key] = set()
        self._newest = (0, 0)  # observation: its market id and event time
        self._woken = asyncio.Event()

    @property
    def markets(self) -> Mapping[Key, OwnMarket]:
        return self._markets

    def list(self, instrument: Instrument) -> None:
        """Take an instrument's terms; the past of one whose way of marks is the same stays."""
        key, terms = (instrument.venue, instrument.symbol), instrument.own_mark
        known = self._markets.get(key)
        if terms is None:
            self._markets.pop(key, None)
            self._due.discard(key)
        elif known is None or known.terms != terms:
            self._markets[key] = OwnMarket(*key, terms)

    def observe(self, mark: Mark, market_id: int, now_ms: int) -> None:
        """Take an observation; returns at once."""
        key = (mark.venue, mark.symbol)
        if key in self._markets:
            self._markets[key].observe(mark, now_ms)
            self._due.add(key)
            self._newest = market_id, now_ms
            self._woken.set()

    async def run(self) -> None:
        """Write marks of what was observed, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.write()
            await asyncio.sleep(EVERY_S)

    async def write(self) -> None:
        """Write a mark of each symbol of which something was observed."""
        (batch, now_ms), due = self._newest, self._due
        self._due = set()
        made = [self._markets[key].mark(now_ms) for key in sorted(due) if key in self._markets]
        new = [_new_mark(mark) for mark in made if mark is not None]
        if not new:
            return
        try:
            taken = await self._store.append_marks(new, OWN_PRODUCER, batch)
        except StoreUnavailable as error:
            _log.warning("own marks: %s", error.detail)
            taken = ["repeated"]
        if "repeated" in taken:  # or not known: they are due again
            self._due |= due


def _new_mark(mark: Mark) -> NewMark:
    payload = encode_mark(mark)
    return NewMark(mark.venue, mark.symbol, payload, mark.timestamp_ms, OWN_SOURCE, mark.mark_price)
