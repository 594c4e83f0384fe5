"""The real crash of 2025-10-10 as marks, its real tiers, and accounts that live through it."""

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import pytest

from service.contract.accounts import decode_account
from service.contract.instruments import decode_instrument
from service.feeds.tape import Frame, MarkDoc, read_tape
from service.risk.model import Account, Instrument
from service.store.keys import DEFAULT_TENANT, tenant_key
from tests.simulation.population import Body, Listing, account_bodies, instrument_body

SHARED = Path(os.environ.get("PLIMSOLL_SHARED", Path(__file__).parents[3] / "shared"))
BARS = SHARED / "data" / "crash-2025-10-10" / "bars.csv.gz"
TIERS = SHARED / "data" / "binance_tiers.json.gz"

needs_tape = pytest.mark.skipif(not BARS.exists(), reason="the recorded crash is not here")


@dataclass(frozen=True, slots=True)
class Crash:
    """Marks in order, and who is there when they begin."""

    marks: list[MarkDoc]
    instruments: list[Body]
    accounts: list[Body]

    def account_records(self) -> list[Account]:
        return [
            decode_account(orjson.dumps(_document(body)), tenant_key(DEFAULT_TENANT, body["id"]))
            for body in self.accounts
        ]

    def instrument_records(self) -> list[Instrument]:
        return [decode_instrument(orjson.dumps(body)) for body in self.instruments]


def crash(accounts: int, seed: int, start_s: int = 0, seconds: int | None = None) -> Crash:
    """`seconds` of the tape from `start_s` on (all of it where None), and seeded accounts."""
    frames = list(_window(start_s, seconds))
    listings = _listings(frames)
    tiers = orjson.loads(gzip.decompress(TIERS.read_bytes()))
    instruments = [instrument_body(one, _tiers_of(one, tiers)) for one in listings]
    marks = [mark for frame in frames for mark in frame.marks]
    return Crash(marks, instruments, account_bodies(accounts, seed, listings))


def _window(start_s: int, seconds: int | None) -> Iterator[Frame]:
    per_second = 4  # open, low, high, close
    first = start_s * per_second
    last = None if seconds is None else first + seconds * per_second
    return islice(read_tape(BARS), first, last)


def _listings(frames: list[Frame]) -> list[Listing]:
    first: dict[tuple[str, str], float] = {}
    for frame in frames:
        for mark in frame.marks:
            key = (str(mark["venue"]), str(mark["symbol"]))
            first.setdefault(key, float(mark["markPrice"]))
    return [_listing(venue, symbol, price) for (venue, symbol), price in sorted(first.items())]


def _listing(venue: str, symbol: str, price: float) -> Listing:
    base, settle = symbol.partition("/")[0], symbol.partition(":")[2]
    return Listing(venue, symbol, base, settle, settle != base, price)


def _tiers_of(listing: Listing, tiers: dict[str, list[list[float]]]) -> list[list[float]]:
    names = (f"{listing.base}/USDT:USDT", f"1000{listing.base}/USDT:USDT")
    return next(tiers[name] for name in names if name in tiers)


def _document(body: Body) -> Body:
    return {name: value for name, value in body.items() if name != "id"}
