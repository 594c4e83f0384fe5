"""A round of marks through the engine against evaluating the whole book for it.

The levels must agree.
"""

import logging
import random
from collections.abc import Iterator

import numpy as np

from service.contract.marks import encode_mark
from service.monitor.engine import Engine
from service.monitor.judging import judge
from service.risk.batch import statements_of
from service.risk.model import Account, Balance, Instrument, Mark, Position, Tier
from service.store.market_stream import MarketEntry
from tests.benchmarks.harness import Measurement, Size, hash_of, timed

SEED = 11
SYMBOLS = 200
LEGS = 3  # a pool
SETTLING_ROUNDS = 20
CALM = 2e-4  # a mark moves by about 2 basis points
RATES = ((0.0, 0.004), (5e4, 0.005), (6e5, 0.01), (3e6, 0.025), (1.2e7, 0.05), (4e7, 0.1))
TIERS = tuple(
    Tier(floor, cap, rate)
    for (floor, rate), cap in zip(
        RATES, [*(floor for floor, _ in RATES[1:]), float("inf")], strict=True
    )
)


def symbol(index: int) -> str:
    return f"S{index}/USDT:USDT"


class Rounds:
    """An engine over a seeded book, and marks that wander."""

    def __init__(self, pools: int) -> None:
        self.engine = Engine("bench")
        self._prices = np.exp(np.random.default_rng(SEED).uniform(0.0, 9.0, SYMBOLS))
        self._walk = np.random.default_rng(SEED + 1)
        for index, price in enumerate(self._prices.tolist()):
            contract = Instrument(symbol(index), True, 1.0, f"S{index}", "USDT", "USDT", TIERS)
            self.engine.facts.table.put_instrument(contract)
            self.engine.facts.table.put_mark(Mark(symbol(index), price), 0)
        source = random.Random(SEED)
        for start in range(0, pools, 1_000):
            part = range(start, min(start + 1_000, pools))
            accounts = [self._account(number, source) for number in part]
            keys = [account.account_key for account in accounts]
            self.engine.load(keys, [1] * len(keys), statements_of(accounts), {})

    def _account(self, number: int, source: random.Random) -> Account:
        """Cross, three symbols, log-normal sizes, leverage 1.5 to 30, entries within 5 %."""
        legs, notional = [], 0.0
        for index in source.sample(range(SYMBOLS), LEGS):
            size, price = source.lognormvariate(9.0, 2.0), float(self._prices[index])
            notional += size
            entry = price * source.uniform(0.95, 1.05)
            legs.append(Position(symbol(index), source.choice((1.0, -1.0)) * size / price, entry))
        wallet = notional / (1.5 * 20.0 ** source.random())
        return Account(
            f"default/a{number}", balances=(Balance("USDT", wallet),), positions=tuple(legs)
        )

    def marks(self, move: float, drift: float = 0.0) -> list[MarketEntry]:
        """The next round: every symbol once."""
        self._prices *= np.exp(drift + self._walk.normal(0.0, move, SYMBOLS))
        first = self.engine.market_id + 1
        return [
            MarketEntry(
                first + index, "m", 1_000 * (first + index), encode_mark(Mark(symbol(index), price))
            )
            for index, price in enumerate(self._prices.tolist())
        ]

    def apply(self, entries: list[MarketEntry]) -> int:
        """Apply a round; returns how many pools were evaluated."""
        before = self.engine.stats.pools_evaluated
        for entry in entries:
            self.engine.apply(entry, (), 0)
        return self.engine.stats.pools_evaluated - before

    def judge_all(self) -> int:
        """Evaluate the whole book; returns how many pools are not where they should be."""
        judged = judge(self.engine.book, self.engine.book.live_slots(), self.engine.event_time_ms)
        return len(judged.changed())


def run(size: Size) -> Iterator[Measurement]:
    logging.getLogger("service.monitor").setLevel(logging.CRITICAL)  # no pool begins at its level
    pools = 300 if size == "small" else 100_000
    rounds = Rounds(pools)
    rounds.apply(rounds.marks(CALM))
    for _ in range(1 if size == "small" else SETTLING_ROUNDS):
        rounds.apply(rounds.marks(CALM))
    yield _measured(rounds, "monitor, calm round", pools, CALM, 0.0)
    yield _measured(rounds, "monitor, crash round", pools, CALM, -0.004)


def _measured(rounds: Rounds, name: str, pools: int, move: float, drift: float) -> Measurement:
    ready: list[MarketEntry] = []

    def prepare() -> None:
        ready[:] = rounds.marks(move, drift)

    ours_s, evaluated = timed(lambda: rounds.apply(ready), before=prepare)
    all_s, wrong = timed(rounds.judge_all)
    assert wrong == 0, f"{wrong} pools are not where evaluating everything puts them"
    return Measurement(
        name,
        {"pools": pools, "positions": rounds.engine.book.positions, "marks": SYMBOLS},
        SEED,
        ours_s,
        "evaluating every pool once",
        all_s,
        hash_of(rounds.engine.book.pools.level.astype(np.float64)),
        {"evaluated": float(evaluated)},
    )
