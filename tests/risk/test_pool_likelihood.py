"""How likely a pool in several markets is liquidated: against hand, paths, and its borders."""

from math import erfc, log, sqrt

import numpy as np
import pytest

from service.risk import volatility
from service.risk.likelihood import REASONS, leg_likelihood
from service.risk.model import Account, Balance, Position
from service.risk.pool_likelihood import (
    MODELS,
    PoolLikelihood,
    account_bounds,
    pool_likelihood,
)
from service.risk.volatility import Volatility
from tests.risk.building import BTC, BTC_COIN, ETH, Outcome, contract, held, one_rate, outcome
from tests.risk.building import table_with as built

RATE = 0.01
MARKS = {BTC: 100.0, ETH: 10.0, BTC_COIN: 100.0}
BOTH = (Position(BTC, 1.0, 100.0), Position(ETH, 10.0, 10.0))
HEDGE = (Position(BTC, 1.0, 100.0), Position(ETH, -10.0, 10.0))
DEVIATION = 0.03  # of log price over the horizon
HORIZON_S = 100.0


def evaluated(account: Account, marks: dict[str, float] | None = None) -> Outcome:
    contracts = [contract(symbol, one_rate(RATE)) for symbol in MARKS]
    return outcome(built(*contracts, pegged=("USDT",), marks=marks or MARKS), account)


def asked(
    found: Outcome, correlation: float = 1.0, deviation: float = DEVIATION, jumps: float = 0.0
) -> PoolLikelihood:
    rows = len(found.batch.legs.pool)
    moves = Volatility(
        np.full(rows, deviation / sqrt(HORIZON_S)),
        np.full(rows, jumps / HORIZON_S),
        np.full(rows, 0.05),
        np.full(rows, volatility.KNOWN, np.int8),
    )
    by_leg = leg_likelihood(found.batch, found.assessment, found.prices, moves, HORIZON_S)
    return pool_likelihood(found.batch, found.assessment, by_leg, correlation)


@pytest.mark.parametrize(
    ("positions", "correlation", "deviation"),
    [
        (BOTH, 1.0, 198.0 * DEVIATION),  # 99 + 99: the requirement falls with the mark
        (BOTH, 0.0, sqrt(2.0) * 99.0 * DEVIATION),
        (HEDGE, 0.0, sqrt(99.0**2 + 101.0**2) * DEVIATION),
    ],
)
def test_markets_that_move_together_add_up_and_hedges_cancel(
    positions: tuple[Position, ...], correlation: float, deviation: float
) -> None:
    found = asked(evaluated(held(*positions, usdt=12.0)), correlation)
    # 12 less 1 % of 200.
    assert found.deviation[0] == pytest.approx(deviation, rel=1e-12)
    assert found.liquidation[0] == pytest.approx(erfc(found.distance[0] / sqrt(2.0)), rel=1e-9)
    assert found.distance[0] == pytest.approx(10.0 / deviation, rel=0.05)
    assert MODELS[found.model[0]] == "likeliest_path_diffusion"
    assert found.correlation == correlation


def test_a_full_hedge_hardly_moves() -> None:
    found = asked(evaluated(held(*HEDGE, usdt=12.0)), 1.0)
    assert found.deviation[0] == pytest.approx(2.0 * DEVIATION, rel=1e-9)
    assert found.liquidation[0] == pytest.approx(0.0, abs=1e-12)


def test_a_pool_in_one_market_is_as_its_position() -> None:
    one = held(Position(BTC, 2.0, 100.0), Position(BTC, -0.5, 100.0), usdt=10.0)
    pool = asked(evaluated(one), jumps=1.0)
    assert MODELS[pool.model[0]] == "double_exponential_jump_diffusion"
    assert np.isnan(pool.deviation[0])
    assert 0.0 < pool.shortfall[0] < pool.liquidation[0] < 1.0
    # The same net, and as much more than is required.
    single = asked(evaluated(held(Position(BTC, 1.5, 100.0), usdt=9.0)), jumps=1.0)
    assert pool.liquidation[0] == pytest.approx(single.liquidation[0], rel=0.05)


def test_along_one_path_the_distance_is_that_of_the_price() -> None:
    # Fully correlated, both longs fall by one factor f: 12 - 200 (1 - f) = 2 f.
    found = asked(evaluated(held(*BOTH, usdt=12.0)))
    assert found.distance[0] == pytest.approx(-log(188.0 / 198.0) / DEVIATION, rel=1e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("positions", [BOTH, HEDGE])
def test_paths_of_prices_are_liquidated_as_often(
    positions: tuple[Position, ...], correlation: float
) -> None:
    wallet = 8.0 if positions is HEDGE else 12.0
    found = asked(evaluated(held(*positions, usdt=wallet)), correlation)
    drawn = _drawn(positions, wallet, correlation)
    assert found.liquidation[0] == pytest.approx(drawn, rel=0.1, abs=0.003)


def _drawn(positions: tuple[Position, ...], wallet: float, correlation: float) -> float:
    """The share of paths in log prices, slack itself at every step, bridged in between."""
    generator = np.random.default_rng(11)
    paths, steps = 20_000, 40
    unit = DEVIATION / sqrt(steps)
    worth = np.array([one.contracts * one.entry_price for one in positions])
    left, logs = np.ones(paths), np.zeros((paths, 2))

    def slack(of: np.ndarray) -> np.ndarray:
        values = worth * np.exp(of)
        return np.asarray(wallet + (values - worth).sum(1) - RATE * np.abs(values).sum(1))

    for _ in range(steps):
        shared = generator.standard_normal((paths, 1)) * sqrt(correlation)
        own = generator.standard_normal((paths, 2)) * sqrt(1.0 - correlation)
        before, values = slack(logs), worth * np.exp(logs)
        moved = (values - RATE * np.abs(values)) * unit
        variance = (1.0 - correlation) * (moved**2).sum(1) + correlation * moved.sum(1) ** 2
        logs = logs + unit * (shared + own)
        after = slack(logs)
        touch = np.exp(-2.0 * np.maximum(before, 0.0) * np.maximum(after, 0.0) / variance)
        left *= np.where((before > 0.0) & (after > 0.0), 1.0 - touch, 0.0)
    return float(1.0 - left.mean())


def test_an_inverse_position_counts_coin() -> None:
    account = Account(
        "a",
        balances=(Balance("BTC", 1.0),),
        positions=(Position(BTC_COIN, 1_000.0, 100.0),),
    )
    found = asked(evaluated(account))
    assert 0.0 < found.liquidation[0] < 1.0


def test_shortfalls_are_jumps_of_either_market() -> None:
    found = asked(evaluated(held(*BOTH, usdt=12.0)), jumps=1.0)
    alone = asked(evaluated(held(BOTH[0], usdt=11.0)), jumps=1.0)
    assert 0.0 < alone.shortfall[0] < found.shortfall[0] <= found.liquidation[0]


@pytest.mark.parametrize(
    ("wallet", "liquidation", "shortfall"), [(2.0, 1.0, 0.0), (-1.0, 1.0, 1.0)]
)
def test_what_is_so_already_is_certain(wallet: float, liquidation: float, shortfall: float) -> None:
    found = asked(evaluated(held(*BOTH, usdt=wallet)), deviation=0.0)
    assert (found.liquidation[0], found.shortfall[0]) == (liquidation, shortfall)


def test_a_venue_with_protection_asks_nobody() -> None:
    account = held(*BOTH, usdt=12.0, venue="binance")
    found = asked(evaluated(account), jumps=1.0)
    assert found.shortfall[0] > found.owing[0] == 0.0


def test_what_has_no_line_or_no_price_has_a_reason() -> None:
    multi = held(*BOTH, usdt=12.0, collateral_mode="multi")
    found = asked(evaluated(multi))
    assert REASONS[found.reason[0]] == "no_closed_form"
    assert np.isnan(found.liquidation[0])
    unpriced = asked(evaluated(held(*BOTH, usdt=12.0), {BTC: 100.0}))
    assert REASONS[unpriced.reason[0]] == "unpriced"
    assert np.isnan(unpriced.owing[0])


def test_a_pool_without_positions_is_safe() -> None:
    found = asked(evaluated(held(usdt=5.0)))
    assert (found.liquidation[0], found.shortfall[0], found.owing[0]) == (0.0, 0.0, 0.0)


def test_an_account_lies_between_its_worst_pool_and_their_sum() -> None:
    isolated = Position(ETH, 10.0, 10.0, isolated=True, leverage=10.0)
    found = evaluated(held(Position(BTC, 1.0, 100.0), isolated, usdt=10.0))
    pools = asked(found)
    least, most = account_bounds(found.batch, pools.liquidation, 2)
    assert least.tolist() == [pools.liquidation.max(), 0.0]
    assert most.tolist() == [pytest.approx(pools.liquidation.sum()), 0.0]
    unknown = np.array([np.nan, 0.5])
    assert np.isnan(account_bounds(found.batch, unknown, 1)).all()
