"""What Hypothesis may build: any mixture of contracts, accounts, marks, and streams of them."""

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from service.risk.model import (
    GENERIC_VENUE,
    Account,
    Balance,
    Instrument,
    Level,
    Mark,
    Position,
    Thresholds,
    Tier,
)
from service.risk.quality import STALE, Quality, Verdict
from tests.reference.rules import RULES
from tests.reference.world import World

Test = TypeVar("Test", bound=Callable[..., None])

LINEAR = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDC:USDC")
INVERSE = ("BTC/USD:BTC", "ETH/USD:ETH")
SYMBOLS = LINEAR + INVERSE
STABLES = ("USDT", "USDC")
COINS = ("BTC", "ETH")
VENUES = tuple(RULES)

# Round numbers meet borders, drawn ones do not.
_ROUND = (1e-3, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0, 1_000.0, 60_000.0)
prices = st.sampled_from(_ROUND) | st.floats(1e-4, 1e6)
nasty_prices = prices | st.floats(1e-9, 1e12)
factors = st.sampled_from((0.9, 0.99, 1.0, 1.02, 1.1)) | st.floats(0.8, 1.25) | st.floats(0.1, 10.0)
leverages = st.none() | st.sampled_from((1.0, 2.0, 5.0, 10.0, 20.0, 125.0)) | st.floats(0.5, 200.0)
fees = st.none() | st.just(0.0) | st.floats(0.0, 0.01)


_MONEYS = st.sampled_from((100.0, 1e4)) | st.floats(1.0, 1e6)


def effort(small: int, soak: int) -> Callable[[Test], Test]:
    """How many examples a property is tried with: always the same few, or many new ones.

    The variable PLIMSOLL_SOAK=1 chooses the many.
    """
    soaking = os.environ.get("PLIMSOLL_SOAK") == "1"
    chosen = settings(
        max_examples=soak if soaking else small,
        derandomize=not soaking,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None if not soaking else settings().database,
    )

    def decorate(test: Test) -> Test:
        marked: Test = pytest.mark.soak(chosen(test))
        return marked

    return decorate


def assets_of(symbol: str) -> tuple[str, str, str]:
    """Base, quote and settle of a unified symbol."""
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    return base, quote, settle


@st.composite
def tier_tables(draw: st.DrawFn, unit: float) -> tuple[Tier, ...]:
    """Up to six tiers, floors about `unit`; rates never fall, deductions mostly absent."""
    rows = draw(st.lists(st.tuples(st.floats(0.05, 20.0), st.floats(0.0, 0.2)), max_size=5))
    floors, rates = [0.0], [draw(st.sampled_from((0.0, 0.004, 0.01, 0.05)) | st.floats(1e-4, 0.3))]
    for step, rise in rows:
        floors.append(floors[-1] + step * unit)
        rates.append(min(1.0, rates[-1] + rise))
    given = draw(st.integers(0, 9)) == 1
    amounts = [draw(st.none() | st.floats(0.0, 0.5)) if given else None for _ in floors]
    return tuple(
        Tier(floor, cap, rate, None, None if part is None else part * floor * rate)
        for floor, cap, rate, part in zip(
            floors, [*floors[1:], float("inf")], rates, amounts, strict=True
        )
    )


@st.composite
def instruments(draw: st.DrawFn, symbol: str, venue: str, unit: float) -> Instrument:
    """A contract with a table whose floors stand around notionals of `unit`."""
    base, quote, settle = assets_of(symbol)
    by_contracts = draw(st.integers(0, 4)) == 1
    contract_size = draw(st.sampled_from((1.0, 0.001, 0.1, 10.0, 100.0)))
    return Instrument(
        symbol,
        symbol in LINEAR,
        contract_size,
        base,
        quote,
        settle,
        draw(tier_tables(draw(st.floats(0.1, 1e3)) if by_contracts else unit)),
        venue,
        draw(fees),
        draw(st.sampled_from((None, None, "marginal", "whole"))),
        "contracts" if by_contracts else "notional",
    )


@st.composite
def worlds(
    draw: st.DrawFn,
    venue: str,
    symbols: tuple[str, ...] = SYMBOLS,
    nasty: bool = False,
    whole: bool = False,
) -> World:
    """Contracts and marks for these symbols; stablecoins near a dollar.

    Now and then one is missing, unless the world is to be `whole`: then coins have prices too.
    """
    world = World()
    for symbol in symbols:
        price = draw(nasty_prices if nasty else prices)
        unit = draw(st.floats(1e3, 1e5) if whole else st.floats(10.0, 1e6))
        unit /= 1.0 if symbol in LINEAR else price
        missing = 10 if whole else draw(st.integers(0, 40))
        if missing != 1:
            at = draw(st.sampled_from((venue, GENERIC_VENUE)))
            world.instruments[at, symbol] = draw(instruments(symbol, at, unit))
        if missing != 2:
            at = draw(st.sampled_from((venue, GENERIC_VENUE)))
            index = price * 1.01 if missing < 10 else None
            world.marks[at, symbol] = Mark(symbol, price, at, index)
    for asset in COINS if whole else ():
        world.marks[GENERIC_VENUE, f"{asset}/USD"] = Mark(f"{asset}/USD", draw(prices))
    for asset in STABLES:
        if whole or draw(st.integers(0, 9)) != 1:
            symbol = f"{asset}/USD"
            world.marks[GENERIC_VENUE, symbol] = Mark(symbol, draw(st.floats(0.9, 1.1)))
    return world


def mark_of(world: World, venue: str, symbol: str) -> float:
    """The symbol's mark, or a price to be about where it has none."""
    found = world.marks.get((venue, symbol), world.marks.get((GENERIC_VENUE, symbol)))
    return 100.0 if found is None else found.mark_price


@st.composite
def positions(
    draw: st.DrawFn,
    world: World,
    venue: str,
    symbol: str,
    long: bool,
    *,
    moneys: st.SearchStrategy[float] = _MONEYS,
) -> Position:
    """A position with an entry about the mark and a notional drawn from `moneys`."""
    mark = mark_of(world, venue, symbol)
    entry = mark * draw(factors)
    instrument = world.instruments.get((venue, symbol)) or world.instruments.get(
        (GENERIC_VENUE, symbol)
    )
    size = 1.0 if instrument is None else instrument.contract_size
    own_size = draw(st.sampled_from((None, None, None, 0.5)))
    money = draw(moneys)
    per_contract = (size if own_size is None else own_size) * (mark if symbol in LINEAR else 1.0)
    contracts = money / per_contract
    isolated = draw(st.booleans())
    worth = money if symbol in LINEAR else money / mark
    cushion = st.sampled_from((0.01, 0.05, 0.1, 1.0)) | st.floats(0.0, 0.5) | st.floats(-0.2, 3.0)
    return Position(
        symbol,
        contracts if long else -contracts,
        entry,
        isolated,
        draw(leverages),
        own_size,
        None,
        worth * draw(cushion) if isolated and draw(st.booleans()) else None,
    )


@st.composite
def thresholds(draw: st.DrawFn) -> Thresholds:
    if draw(st.booleans()):
        return Thresholds()
    lines = sorted(draw(st.sets(st.integers(1, 99), min_size=3, max_size=3)))
    gap = draw(st.sampled_from((0, lines[0])))
    wait = draw(st.sampled_from((0, 1_000, 5_000)))
    every = draw(st.sampled_from((0, 60_000, 90_000)))
    until = draw(st.booleans())
    return Thresholds(lines[1] / 100, lines[2] / 100, gap / 100, wait, every, until and every > 0)


@st.composite
def balances(draw: st.DrawFn, money: Fraction, world: World, venue: str) -> tuple[Balance, ...]:
    """Some of each asset, sized by the positions; now and then borrowed."""
    rows = []
    for asset in draw(st.lists(st.sampled_from(STABLES + COINS), unique=True, max_size=4)):
        symbol = f"{asset}/USDT:USDT"
        price = 1.0 if asset in STABLES else mark_of(world, venue, symbol)
        part = draw(st.sampled_from((0.02, 0.1, 1.0)) | st.floats(0.0, 0.5) | st.floats(-0.3, 2.0))
        rows.append(
            Balance(
                asset,
                float(money) * part / price,
                draw(st.sampled_from((1.0, 0.95, 0.0)) | st.floats(0.0, 1.0)),
                draw(st.sampled_from((None, None, None, price))),
            )
        )
    return tuple(rows)


@st.composite
def accounts(
    draw: st.DrawFn,
    world: World,
    venue: str,
    symbols: tuple[str, ...] = SYMBOLS,
    account_key: str = "a",
) -> Account:
    """Any mixture of up to six positions, hedged ones among them, with some collateral."""
    taken = draw(
        st.lists(st.tuples(st.sampled_from(symbols), st.booleans()), unique=True, max_size=6)
    )
    held = tuple(draw(positions(world, venue, symbol, long)) for symbol, long in taken)
    money = Fraction(0)
    for position in held:
        mark = mark_of(world, venue, position.symbol)
        money += abs(Fraction(position.contracts)) * (
            Fraction(mark) if position.symbol in LINEAR else 1
        )
    return Account(
        account_key,
        venue,
        draw(st.sampled_from(("single", "single", "multi"))),
        draw(balances(money or Fraction(1_000), world, venue)),
        held,
        draw(thresholds()),
    )


DOUBTS = [
    STALE,
    Verdict(Quality.SUSPECT, Level.WARNING),
    Verdict(Quality.SUSPECT, Level.HEALTHY),
    Verdict(Quality.DEGRADED, Level.BANKRUPT),
]


@st.composite
def scenes(draw: st.DrawFn, nasty: bool = False) -> tuple[World, Account]:
    """A world and one account in it, now and then with marks of its own."""
    venue = draw(st.sampled_from(VENUES))
    symbols = tuple(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=3, unique=True)))
    world = draw(worlds(venue, symbols, nasty))
    if world.marks:
        doubted = draw(st.sets(st.sampled_from(sorted(world.marks)), max_size=1))
        world.verdicts = {key: draw(st.sampled_from(DOUBTS)) for key in doubted}
    account = draw(accounts(world, venue, symbols))
    if draw(st.integers(0, 5)) != 1:
        return world, account
    own = {symbol: mark_of(world, venue, symbol) * draw(factors) for symbol in symbols}
    marked = tuple(replace(one, mark_price=own[one.symbol]) for one in account.positions)
    return world, replace(account, positions=marked)
