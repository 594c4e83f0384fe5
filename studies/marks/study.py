"""The traders of the crash study on five marks: the book's last price, each spot source by itself,
their index, and a mark of one's own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.risk.columns import Floats
from studies.crash.accounts import draw_traders
from studies.crash.play import Fates, play
from studies.crash.study import BARS, ENTRY_S, SECONDS, liquidated, read_listings
from studies.crash.tape import Tape, read_crash
from studies.marks.tape import SOURCES, Marked, carried, read_marked

LAST, INDEX, OWN = "last price", "index", "own mark"
ELSEWHERE = "binance"  # TRX is at no other source


@dataclass(frozen=True, slots=True)
class Study:
    """What was known at every moment, and what became of everybody on each mark."""

    marked: Marked
    tape: Tape
    marks: dict[str, Floats]  # (seconds, coins)
    fates: dict[str, Fates]

    def share(self, basis: str) -> float:
        """Return how many are liquidated on a mark, as a share of all."""
        return float(liquidated(self.fates[basis]).mean())

    def alone(self, basis: str, other: str) -> float:
        """Return how many are liquidated on a mark and not on another one."""
        one, two = (liquidated(self.fates[each]) for each in (basis, other))
        return float((one & ~two).mean())


def run_study(
    data: Path, accounts: int, seed: int, start_s: int = ENTRY_S, seconds: int = SECONDS
) -> Study:
    """Run index and mark over the tape of a data folder, and play the accounts on each basis."""
    tape = read_crash(data / BARS, start_s, seconds)
    listings = read_listings(data, tape)
    marked = read_marked(data / BARS)
    marks = bases(marked.seconds(start_s, seconds), tape)
    traders = draw_traders(accounts, seed, listings)
    fates = {basis: play(tape, prices, traders, listings) for basis, prices in marks.items()}
    return Study(marked, tape, marks, fates)


def bases(told: Marked, tape: Tape) -> dict[str, Floats]:
    """Return the marks of the tape's markets by basis, second by second."""
    rows = [told.coins.index(coin) for coin in tape.coins]
    said = told.said[:, rows]
    spare = said[:, :, SOURCES.index(ELSEWHERE)]
    found = {LAST: tape.last}
    for column, source in enumerate(SOURCES[:2]):
        only = np.isnan(said[:, :, column]).all(axis=0)
        found[source] = _filled(np.where(only, spare, said[:, :, column]), tape.spot)
    found[INDEX] = _filled(told.index[:, rows], tape.spot)
    found[OWN] = _filled(told.mark[:, rows], tape.spot)
    return found


def _filled(prices: Floats, spot: Floats) -> Floats:
    """Return prices with the last one where there is none; before the first the spot median."""
    filled = prices.copy()
    filled[0] = np.where(np.isnan(filled[0]), spot[0], filled[0])
    return carried(filled)
