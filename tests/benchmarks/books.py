"""Seeded books of many pools, built as columns, and the marks that move them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from service.contract.marks import encode_mark
from service.monitor.alerts import Moment, Moves, Page
from service.monitor.engine import Engine
from service.monitor.judging import judge
from service.risk.columns import Bools, Floats, Ints, Statements, Words
from service.risk.model import GENERIC_VENUE, Instrument, Mark, Tier
from service.store.market_stream import MarketEntry

SEED = 11
SYMBOLS = 200
CALM = 2e-4  # a mark moves by about 2 basis points
RATES = ((0.0, 0.004), (5e4, 0.005), (6e5, 0.01), (3e6, 0.025), (1.2e7, 0.05), (4e7, 0.1))
TIERS = tuple(
    Tier(floor, cap, rate)
    for (floor, rate), cap in zip(
        RATES, [*(floor for floor, _ in RATES[1:]), float("inf")], strict=True
    )
)

INVERSE = 20  # symbols of the mixed book

Kind: TypeAlias = Literal["uniform", "zipf", "mixed"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How accounts lie, each with one pool: a row an account, a row a leg."""

    legs: Ints  # how many, by account
    isolated: Bools  # by account
    market: Ints  # by leg
    sign: Floats  # by leg


class Silent:
    """Writes no alerts: what the rivals do not do either."""

    def pages(self, moves: Moves, moment: Moment) -> Iterator[Page]:  # noqa: ARG002
        return iter(())


def symbol(index: int, inverse: int) -> str:
    """The last `inverse` of the symbols are settled in their coin."""
    return f"S{index}/USD:S{index}" if index >= SYMBOLS - inverse else f"S{index}/USDT:USDT"


def _shape(kind: Kind, accounts: int, source: np.random.Generator) -> Shape:
    """Cross of 3 symbols; mixed: 30 % isolated, 60 % cross of 1 to 8, 10 % hedged or inverse."""
    if kind != "mixed":
        weights = 1.0 / np.arange(1, SYMBOLS + 1) if kind == "zipf" else np.ones(SYMBOLS)
        owner = np.repeat(np.arange(accounts), 3)
        market = _distinct(owner, weights, source)
        sign = source.choice((1.0, -1.0), len(owner))
        return Shape(np.full(accounts, 3), np.zeros(accounts, np.bool_), market, sign)
    place = np.arange(accounts) / accounts
    isolated, hedged, inverse = place < 0.3, place >= 0.95, (place >= 0.9) & (place < 0.95)
    legs = np.where(isolated | inverse, 1, np.where(hedged, 2, source.integers(1, 9, accounts)))
    owner = np.repeat(np.arange(accounts), legs)
    linear = np.arange(SYMBOLS) < SYMBOLS - INVERSE
    market = _distinct(owner, linear.astype(np.float64), source)
    market = np.where(inverse[owner], SYMBOLS - INVERSE + market % INVERSE, market)
    sign = source.choice((1.0, -1.0), len(owner))
    second = np.flatnonzero(hedged[owner])[1::2]
    market[second], sign[second] = market[second - 1], -sign[second - 1]
    return Shape(legs, isolated, market, sign)


def _distinct(owner: Ints, weights: Floats, source: np.random.Generator) -> Ints:
    """Draw a symbol a leg, by weight, none twice an account."""
    market = source.choice(SYMBOLS, len(owner), p=weights / weights.sum())
    while True:
        order = np.lexsort((market, owner))
        same = (np.diff(owner[order]) == 0) & (np.diff(market[order]) == 0)
        again = order[1:][same]
        if not len(again):
            return market
        market[again] = source.choice(SYMBOLS, len(again), p=weights / weights.sum())


class Rounds:
    """An engine over a seeded book, and marks that wander.

    Sizes are log-normal, leverage is log-uniform from 1.5 to 30, entries lie within 5 % of the
    mark: under 2 % of the pools have a ratio above 0.5.
    """

    def __init__(self, kind: Kind, accounts: int) -> None:
        self.engine = Engine("bench")
        self.engine.writer = Silent()
        self._inverse = INVERSE if kind == "mixed" else 0
        self.prices = np.exp(np.random.default_rng(SEED).uniform(0.0, 9.0, SYMBOLS))
        self._walk = np.random.default_rng(SEED + 1)
        self._names = [symbol(index, self._inverse) for index in range(SYMBOLS)]
        self._linear = np.arange(SYMBOLS) < SYMBOLS - self._inverse
        for index, price in enumerate(self.prices.tolist()):
            self._list(index, price)
        source = np.random.default_rng(SEED)
        shape = _shape(kind, accounts, source)
        keys = [f"default/a{number}" for number in range(accounts)]
        self.engine.load(keys, [1] * accounts, self._statements(shape, source), {})

    def _list(self, index: int, price: float) -> None:
        name, linear = self._names[index], bool(self._linear[index])
        unit = 1.0 if linear else 1.0 / price
        tiers = tuple(Tier(t.floor * unit, t.cap * unit, t.maintenance_rate) for t in TIERS)
        settle, quote = name.partition(":")[2], "USDT" if linear else "USD"
        table = self.engine.facts.table
        table.put_instrument(Instrument(name, linear, 1.0, f"S{index}", quote, settle, tiers))
        table.put_mark(Mark(name, price), 0)

    def _statements(self, shape: Shape, source: np.random.Generator) -> Statements:
        accounts = len(shape.legs)
        owner = np.repeat(np.arange(accounts), shape.legs)
        price, linear = self.prices[shape.market], self._linear[shape.market]
        money = np.exp(source.normal(9.0, 2.0, len(owner)))
        leverage = 1.5 * 20.0 ** source.random(accounts)
        wallet = np.bincount(owner, np.where(linear, money, money / price), accounts) / leverage
        held, nothing = np.flatnonzero(~shape.isolated), np.full(len(owner), np.nan)
        last = shape.market[np.cumsum(shape.legs) - 1]
        return Statements(
            venue=[GENERIC_VENUE] * accounts,
            multi=np.zeros(accounts, np.bool_),
            warning=np.full(accounts, 0.5),
            margin_call=np.full(accounts, 0.8),
            hysteresis=np.full(accounts, 0.05),
            ease_after_ms=np.full(accounts, 5_000),
            repeat_every_ms=np.zeros(accounts, np.int64),
            repeat_until_acknowledged=np.zeros(accounts, np.bool_),
            positions=shape.legs,
            balances=np.where(shape.isolated, 0, 1),
            symbol=Words.of([self._names[market] for market in shape.market.tolist()]),
            isolated=shape.isolated[owner],
            contracts=shape.sign * np.where(linear, money / price, money),
            entry_price=price * source.uniform(0.95, 1.05, len(owner)),
            contract_size=nothing,
            leverage=leverage[owner],
            margin=np.where(shape.isolated[owner], wallet[owner], np.nan),
            mark=nothing,
            asset=Words.of(
                [self._names[market].partition(":")[2] for market in last[held].tolist()]
            ),
            amount=wallet[held],
            weight=np.ones(len(held)),
            price=np.full(len(held), np.nan),
        )

    def marks(self, move: float, drift: float = 0.0) -> list[MarketEntry]:
        """The next round: every symbol once."""
        self.prices *= np.exp(drift + self._walk.normal(0.0, move, SYMBOLS))
        first = self.engine.market_id + 1
        return [
            MarketEntry(
                first + index,
                "m",
                1_000 * (first + index),
                encode_mark(Mark(self._names[index], price)),
            )
            for index, price in enumerate(self.prices.tolist())
        ]

    def apply(self, entries: list[MarketEntry], *, together: bool = True) -> tuple[int, int]:
        """Apply a round; returns how many pools were evaluated, how many changed their level.

        A monitor that reads a round in one piece looks ahead; of marks that come in one by one it
        takes each as it comes.
        """
        stats = self.engine.stats
        evaluated, moved = stats.pools_evaluated, stats.alerts
        for place, entry in enumerate(entries):
            self.engine.look_ahead(entries if together else (entry,), place if together else 0)
            list(self.engine.pages(entry, (), 0))
        return stats.pools_evaluated - evaluated, stats.alerts - moved

    def judge_all(self) -> int:
        """Evaluate the whole book; returns how many pools are not where they should be."""
        judged = judge(self.engine.book, self.engine.book.live_slots(), self.engine.event_time_ms)
        return len(judged.changed())
