"""The study as a whole: the same traders on the last price and on a spot median, and the counts."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from service.risk.columns import Bools, Floats
from studies.crash.accounts import Listing, TierRows, Trader, draw_traders
from studies.crash.play import STATED, Fates, play
from studies.crash.tape import Tape, read_crash

BARS = Path("crash-2025-10-10") / "bars.csv.gz"
TIERS = Path("binance_tiers.json.gz")
ENTRY_S = 1_760_129_400  # 2025-10-10 20:50:00 UTC, before the fall
SECONDS = 5_100  # until 22:15
CENT = 0.01  # a debt is at least that


@dataclass(frozen=True, slots=True)
class Study:
    """Who lived through what, and what became of them on either mark."""

    tape: Tape
    listings: list[Listing]
    traders: list[Trader]
    seed: int
    last: Fates
    spot: Fates

    @property
    def last_alone(self) -> Bools:
        """Those whom the last price liquidated and the spot median did not."""
        return liquidated(self.last) & ~liquidated(self.spot)


class Counts(NamedTuple):
    """What a table says of some traders on one mark."""

    traders: int
    liquidated: int
    size: float
    owing: int
    shortfall: float
    largest: float


def run_study(
    data: Path, accounts: int, seed: int, start_s: int = ENTRY_S, seconds: int = SECONDS
) -> Study:
    """Read the tape and the tiers from a data folder and play both marks."""
    tape = read_crash(data / BARS, start_s, seconds)
    return study_of(tape, read_listings(data, tape), accounts, seed)


def read_listings(data: Path, tape: Tape) -> list[Listing]:
    """Read the tiers of the tape's markets; everybody enters at the first spot median."""
    tiers: dict[str, TierRows] = orjson.loads(gzip.decompress((data / TIERS).read_bytes()))
    return [
        Listing(coin, price, tiers[f"{coin}/USDT:USDT"])
        for coin, price in zip(tape.coins, tape.spot[0].tolist(), strict=True)
    ]


def study_of(tape: Tape, listings: list[Listing], accounts: int, seed: int) -> Study:
    """Draw the traders and play both marks."""
    traders = draw_traders(accounts, seed, listings)
    last, spot = (play(tape, marks, traders, listings) for marks in (tape.last, tape.spot))
    return Study(tape, listings, traders, seed, last, spot)


def liquidated(fates: Fates) -> Bools:
    return fates.second >= 0


def counts(fates: Fates, among: Bools, slippage: int = STATED) -> Counts:
    """Count what became of some of the traders, at one of the slippages."""
    owed = np.where(among, fates.owed[slippage], 0.0)
    return Counts(
        traders=int(among.sum()),
        liquidated=int((liquidated(fates) & among).sum()),
        size=float(fates.size[among].sum()),
        owing=int((owed >= CENT).sum()),
        shortfall=float(np.where(among, fates.fund[slippage], 0.0).sum()),
        largest=float(owed.max()),
    )


def late_share(study: Study, least_s: int) -> float:
    """Return how much of the spot median's shortfall is of whom the last price closed so long
    before."""
    last, spot = study.last, study.spot
    late = liquidated(last) & (spot.second - last.second >= least_s)
    return float(spot.fund[STATED, late].sum() / max(CENT, spot.fund[STATED].sum()))


def fund_needed(fates: Fates, slippage: int = STATED) -> float:
    """Return how far below its start a fund falls that takes every surplus and pays all."""
    path = _summed(fates, fates.to_fund[slippage], int(fates.second.max()) + 1)
    return max(0.0, -float(path.min()))


def shortfall_path(fates: Fates, seconds: int) -> Floats:
    """Return the shortfall of all liquidations until the end of every second."""
    return _summed(fates, fates.fund[STATED], seconds)


def liquidated_path(fates: Fates, seconds: int) -> Floats:
    """Return how many are liquidated at the end of every second."""
    return _summed(fates, np.ones(len(fates.second)), seconds)


def _summed(fates: Fates, values: Floats, seconds: int) -> Floats:
    gone = liquidated(fates)
    return np.cumsum(np.bincount(fates.second[gone], values[gone], max(seconds, 1)))
