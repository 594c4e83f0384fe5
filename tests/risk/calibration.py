"""Is what should happen in one of ten cases seen in one of ten? On paths, and on a real tape.

    python -m tests.risk.calibration

First the formula against a million paths of its own process. Then the model on the tape's calm
part: volatility is estimated from the marks up to a moment, as the service would; the marks after
it say whether a price so far away was reached. Windows overlap and markets move together, so the
shares are far less certain than their counts look.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from math import inf

import numpy as np

from service.feeds.tape import read_tape
from service.risk.columns import Floats, Ints
from service.risk.first_passage import Passage, leaving_probability
from service.risk.volatility import KNOWN, Volatility, VolatilityBook, VolatilityRule
from tests.risk.paths import comparison
from tests.simulation.tape import BARS

PATHS = 1_000_000
CALM_S = 1_500  # from the tape's start; the crash begins minutes later
WARM_S = 600  # the first minutes are recorded by halves
MARKS_LEAST = 3_000  # of 6,000: where trades are rarer, the price of the moment is an old one
EVERY_S = 15
HORIZONS_S = (60, 300)
DISTANCES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.008)  # of log price, down and up
EDGES = (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Cases:
    """A row a question asked: what the model said, whether it came."""

    horizon_s: Floats
    probability: Floats
    happened: Floats


@dataclass(frozen=True)
class _Prices:
    """The marks of one market in order."""

    time_ms: Ints
    log_price: Floats


def calm_cases(rule: VolatilityRule | None = None) -> Cases:
    """Ask about every market every so often, for every distance on both sides and every horizon."""
    markets = _markets()
    start_ms = min(int(prices.time_ms[0]) for prices in markets)
    book, told = VolatilityBook(rule), [0] * len(markets)
    rows = np.arange(len(markets))
    asked: list[Floats] = []
    for now_s in range(WARM_S, CALM_S - max(HORIZONS_S) + 1, EVERY_S):
        now_ms = start_ms + now_s * 1_000
        for market, prices in enumerate(markets):
            end = int(np.searchsorted(prices.time_ms, now_ms, side="right"))
            new = slice(told[market], end)
            same = np.full(end - told[market], market)
            book.observe(same, np.exp(prices.log_price[new]), prices.time_ms[new])
            told[market] = end
        known = book.read(rows, now_ms)
        for market in np.flatnonzero(known.state == KNOWN).tolist():
            asked.append(_ask(markets[market], told[market], now_ms, known, market))
    return Cases(*np.concatenate(asked, axis=1))


def _markets() -> list[_Prices]:
    times: dict[tuple[object, ...], list[int]] = defaultdict(list)
    prices: dict[tuple[object, ...], list[float]] = defaultdict(list)
    first = None
    for frame in read_tape(BARS):
        assert frame.time_ms is not None
        first = frame.time_ms if first is None else first
        if frame.time_ms > first + CALM_S * 1_000:
            break
        for mark in frame.marks:
            key = (mark["venue"], mark["symbol"], mark.get("source"))
            times[key].append(frame.time_ms)
            prices[key].append(float(mark["markPrice"]))
    return [
        _Prices(np.array(times[key]), np.log(prices[key]))
        for key in sorted(times, key=str)
        if len(times[key]) >= MARKS_LEAST
    ]


def _ask(prices: _Prices, told: int, now_ms: int, known: Volatility, market: int) -> Floats:
    """Return rows (horizon, probability, happened)."""
    distances = np.array(DISTANCES)
    answers = []
    for horizon_s in HORIZONS_S:
        end = int(np.searchsorted(prices.time_ms, now_ms + horizon_s * 1_000, side="right"))
        moves = prices.log_price[told - 1 : end] - prices.log_price[told - 1]
        none = np.full(len(distances), inf)
        passage = Passage(
            distances,
            none,
            none,
            none,
            np.full(len(distances), known.diffusion_per_sqrt_s[market] * horizon_s**0.5),
            np.full(len(distances), known.jumps_per_s[market] * horizon_s),
            np.full(len(distances), known.jump_mean[market]),
        )
        probability, _ = leaving_probability(passage)
        for happened in (-moves.min() >= distances, moves.max() >= distances):
            answers.append([np.full(len(distances), horizon_s), probability, happened])
    return np.concatenate(np.array(answers, dtype=np.float64), axis=1)


def table(cases: Cases) -> Iterator[str]:
    """Tell by horizon and by what the model said how often it came."""
    yield f"{'horizon':>8} {'said':>11} {'cases':>7} {'mean said':>10} {'came':>7}"
    for horizon_s in HORIZONS_S:
        for low, high in pairwise(EDGES):
            below = (cases.probability < high) | (high == EDGES[-1])
            said = (cases.probability >= low) & below
            row = said & (cases.horizon_s == horizon_s)
            if row.any():
                mean, came = cases.probability[row].mean(), cases.happened[row].mean()
                span = f"{100 * low:.0f}-{100 * high:.0f} %"
                yield f"{horizon_s:>6} s {span:>11} {row.sum():>7} {mean:>10.1%} {came:>7.1%}"


if __name__ == "__main__":
    for line in chain(comparison(PATHS), table(calm_cases())):
        print(line, flush=True)
