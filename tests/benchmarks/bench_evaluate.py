"""The evaluation against the loop that most people would write.

The same records, the same figures, checked first.
"""

import random
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from service.risk.batch import build_batch
from service.risk.evaluate import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Mark, Position, Tier
from tests.benchmarks.harness import Measurement, Size, hash_of, timed

SEED = 7
SYMBOLS = 50
POSITIONS = 5  # an account
LEVERAGE = 10.0
TIERS = tuple(
    Tier(floor, cap, rate)
    for floor, cap, rate in (
        (0.0, 5e4, 0.004),
        (5e4, 6e5, 0.005),
        (6e5, 3e6, 0.01),
        (3e6, 1.2e7, 0.025),
        (1.2e7, float("inf"), 0.05),
    )
)
Row = tuple[float, float, float]  # equity, initial margin, maintenance margin


def symbol(index: int) -> str:
    return f"S{index}/USDT:USDT"


def start_price(index: int) -> float:
    return 10.0 ** (index % 5) * (1.0 + 0.07 * index)


def market() -> MarketTable:
    table = MarketTable()
    for index in range(SYMBOLS):
        contract = Instrument(symbol(index), True, 1.0, f"S{index}", "USDT", "USDT", TIERS)
        table.put_instrument(contract)
        table.put_mark(Mark(symbol(index), start_price(index)), 0)
    return table


def accounts(count: int) -> list[Account]:
    """Cross accounts of five positions, leverage 1.5 to 30 over all of an account."""
    source = random.Random(SEED)
    return [account(number, source) for number in range(count)]


def account(number: int, source: random.Random) -> Account:
    legs, notional = [], 0.0
    for index in source.sample(range(SYMBOLS), POSITIONS):
        size = source.lognormvariate(9.0, 2.0)
        notional += size
        contracts = source.choice((1.0, -1.0)) * size / start_price(index)
        entry = start_price(index) * source.uniform(0.95, 1.05)
        legs.append(Position(symbol(index), contracts, entry, leverage=LEVERAGE))
    wallet = notional / (1.5 * 20.0 ** source.random())
    return Account(f"a{number}", balances=(Balance("USDT", wallet),), positions=tuple(legs))


def by_loop(records: list[Account], marks: dict[str, float]) -> list[Row]:
    """A loop over positions with a look-up of the tier in each."""
    floors = [tier.floor for tier in TIERS]
    deductions = [0.0]
    for lower, upper in pairwise(TIERS):
        step = upper.floor * (upper.maintenance_rate - lower.maintenance_rate)
        deductions.append(deductions[-1] + step)
    rows = []
    for record in records:
        equity = sum(balance.amount for balance in record.balances)
        initial = maintenance = 0.0
        for position in record.positions:
            mark = marks[position.symbol]
            notional = abs(position.contracts) * mark
            tier = bisect_right(floors, notional) - 1
            equity += position.contracts * (mark - position.entry_price)
            initial += notional / (position.leverage or 1.0)
            maintenance += notional * TIERS[tier].maintenance_rate - deductions[tier]
        rows.append((equity, initial, maintenance))
    return rows


def by_columns(records: list[Account], table: MarketTable) -> np.ndarray:
    pools = assess(build_batch(records, table)[0]).pools
    return np.stack([pools.equity, pools.initial_margin, pools.maintenance_margin], axis=1)


def run(size: Size) -> Iterator[Measurement]:
    for count in (20,) if size == "small" else (20, 200, 2_000, 20_000):
        yield from compared(count)


def compared(count: int) -> Iterator[Measurement]:
    """From records (what a request costs), and from columns that are there (what a tick costs)."""
    table, records = market(), accounts(count)
    marks = {symbol(index): start_price(index) for index in range(SYMBOLS)}
    batch, _ = build_batch(records, table)
    loop_s, rows = timed(lambda: by_loop(records, marks))
    ours_s, figures = timed(lambda: by_columns(records, table))
    columns_s, _ = timed(lambda: assess(batch))
    scale = np.abs(figures).sum(axis=1, keepdims=True)
    assert np.all(np.abs(figures - np.array(rows)) <= 1e-9 * scale), "the answers differ"
    inputs = {"accounts": count, "positions": count * POSITIONS}
    baseline, digest = "a Python loop over positions", hash_of(figures)
    yield Measurement("evaluate, records", inputs, SEED, ours_s, baseline, loop_s, digest)
    yield Measurement("evaluate, columns", inputs, SEED, columns_s, baseline, loop_s, digest)
