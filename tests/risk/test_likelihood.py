"""How likely: of a whole position, its distances, its venue's policy, and what cannot be said."""

from dataclasses import replace
from math import erfc, exp, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk import volatility
from service.risk.first_passage import Passage, leaving_probability
from service.risk.likelihood import (
    FOUND,
    MODEL,
    REASONS,
    STALE_MARKS,
    TOO_FEW_MARKS,
    UNPRICED,
    Likelihood,
    leg_likelihood,
)
from service.risk.markets import MarketTable
from service.risk.model import Account, Position
from service.risk.volatility import Volatility
from tests.risk.building import BTC, BTC_COIN, contract, held, one_rate, outcome, table_with
from tests.strategies import effort

HOUR_S = 3_600.0
EXACT = 2e-6


def moves(
    legs: int = 1,
    diffusion: float = 5e-4,
    jumps_per_s: float = 1e-4,
    jump_mean: float = 0.02,
    state: int = volatility.KNOWN,
) -> Volatility:
    return Volatility(
        np.full(legs, diffusion),
        np.full(legs, jumps_per_s),
        np.full(legs, jump_mean),
        np.full(legs, state, np.int8),
    )


def likelihood(
    table: MarketTable,
    account: Account,
    horizon_s: float = HOUR_S,
    volatility_of: Volatility | None = None,
) -> Likelihood:
    found = outcome(table, account)
    moved = volatility_of or moves(len(account.positions))
    return leg_likelihood(found.batch, found.assessment, found.prices, moved, horizon_s)


def btc_table(mark: float = 100.0, rate: float = 0.01) -> MarketTable:
    return table_with(contract(BTC, one_rate(rate)), marks={BTC: mark})


def isolated(leverage: float = 10.0, contracts: float = 1.0, **facts: object) -> Position:
    return Position(BTC, contracts, 100.0, isolated=True, leverage=leverage, **facts)  # type: ignore[arg-type] # facts are Position's own fields


def test_the_answer_says_what_it_was_made_of() -> None:
    moved = moves()
    found = likelihood(btc_table(), held(isolated()), HOUR_S, moved)
    # Margin 10, so equity is 0 at 90 and equals 1 % at 90 / 0.99.
    assert found.lower[0] == pytest.approx(log(100.0 / (90.0 / 0.99)), rel=1e-12)
    assert found.lower_gap[0] == pytest.approx(-log(0.99), rel=1e-12)
    assert found.upper[0] == found.upper_gap[0] == inf
    assert found.horizon_s == HOUR_S
    assert found.volatility is moved
    assert MODEL == "double_exponential_jump_diffusion"
    leaving, beyond = leaving_probability(
        Passage(
            found.lower,
            found.upper,
            found.lower_gap,
            found.upper_gap,
            np.array([5e-4 * 60.0]),
            np.array([0.36]),
            np.array([0.02]),
        )
    )
    assert found.liquidation[0] == leaving[0] > 0.0
    assert found.shortfall[0] == found.owing[0] == beyond[0] > 0.0


def test_without_jumps_it_is_twice_the_normal_tail_and_nothing_is_owed() -> None:
    found = likelihood(btc_table(), held(isolated()), HOUR_S, moves(jumps_per_s=0.0))
    distance, deviation = log(100.0 / (90.0 / 0.99)), 5e-4 * sqrt(HOUR_S)
    assert found.liquidation[0] == pytest.approx(erfc(distance / deviation / sqrt(2.0)), abs=EXACT)
    assert found.shortfall[0] == found.owing[0] == 0.0


def test_a_short_is_liquidated_above() -> None:
    found = likelihood(btc_table(), held(isolated(contracts=-1.0)))
    assert found.lower[0] == inf
    assert found.upper[0] == pytest.approx(log(110.0 / 1.01 / 100.0), rel=1e-12)
    assert found.upper_gap[0] == pytest.approx(log(1.01), rel=1e-12)
    assert 0.0 < found.owing[0] < found.liquidation[0] < 1.0


def test_an_inverse_long_is_liquidated_below() -> None:
    table = table_with(contract(BTC_COIN, one_rate(0.01)), marks={BTC_COIN: 100.0})
    account = held(Position(BTC_COIN, 100.0, 100.0, isolated=True, leverage=10.0))
    found = likelihood(table, account)
    # Margin 0.1 coin: equity is 0 at 100 / 1.1.
    assert found.lower[0] + found.lower_gap[0] == pytest.approx(log(1.1), rel=1e-12)
    assert found.upper[0] == inf
    assert 0.0 < found.owing[0] < found.liquidation[0] < 1.0


def test_both_legs_of_a_hedge_share_their_figures() -> None:
    account = held(Position(BTC, 1.0, 100.0), Position(BTC, -3.0, 110.0), usdt=20.0)
    both = likelihood(btc_table(), account)
    assert both.upper[0] < inf
    assert both.liquidation[0] == both.liquidation[1] > 0.0
    assert both.owing[0] == both.owing[1] > 0.0


def test_where_the_venue_never_asks_for_it_nothing_is_owed() -> None:
    found = likelihood(btc_table(), held(isolated(), venue="binance"))
    asked = likelihood(btc_table(), held(isolated()))
    assert found.shortfall[0] == asked.shortfall[0] > 0.0
    assert found.owing[0] == 0.0


def test_what_needs_no_margin_is_closed_where_nothing_is_left() -> None:
    found = likelihood(btc_table(rate=0.0), held(isolated()))
    assert found.lower[0] == pytest.approx(log(100.0 / 90.0), rel=1e-12)
    assert found.lower_gap[0] == 0.0


@pytest.mark.parametrize(
    ("mark", "liquidation", "shortfall"),
    [
        (90.92, 0.0, 0.0),  # just above the liquidation price 90.909
        (90.90, 1.0, 0.0),  # at it, and something is left
        (89.99, 1.0, 1.0),  # beyond the bankruptcy price
    ],
)
def test_at_horizon_0_only_what_is_so_already(
    mark: float, liquidation: float, shortfall: float
) -> None:
    found = likelihood(btc_table(mark), held(isolated()), 0.0)
    assert found.liquidation[0] == liquidation
    assert found.shortfall[0] == found.owing[0] == shortfall


def test_what_is_so_already_stays_so_whatever_the_horizon() -> None:
    found = likelihood(btc_table(90.9), held(isolated()), HOUR_S)
    assert (found.liquidation[0], found.shortfall[0], found.lower[0]) == (1.0, 0.0, 0.0)


def test_what_is_fully_paid_is_never_liquidated() -> None:
    found = likelihood(btc_table(), held(Position(BTC, 1.0, 100.0), usdt=200.0))
    assert found.liquidation[0] == pytest.approx(0.0, abs=EXACT)
    assert found.owing[0] == 0.0
    assert found.reason[0] == FOUND


@pytest.mark.parametrize(
    ("state", "reason"),
    [(volatility.STALE_MARKS, STALE_MARKS), (volatility.TOO_FEW_MARKS, TOO_FEW_MARKS)],
)
def test_without_a_volatility_there_is_no_figure(state: int, reason: int) -> None:
    unknown = replace(moves(state=state), diffusion_per_sqrt_s=np.array([np.nan]))
    found = likelihood(btc_table(), held(isolated()), HOUR_S, unknown)
    assert found.reason[0] == reason
    assert REASONS[reason] == volatility.REASONS[state]
    assert np.isnan([found.liquidation[0], found.shortfall[0], found.owing[0]]).all()


def test_without_a_mark_there_is_no_figure() -> None:
    table = table_with(contract(BTC))
    found = likelihood(table, held(isolated(), venue="binance"))
    assert found.reason[0] == UNPRICED
    assert np.isnan([found.liquidation[0], found.shortfall[0], found.owing[0]]).all()


def test_what_is_so_already_needs_no_volatility() -> None:
    found = likelihood(
        btc_table(90.9), held(isolated()), HOUR_S, moves(state=volatility.TOO_FEW_MARKS)
    )
    assert (found.liquidation[0], found.reason[0]) == (1.0, FOUND)


def test_an_account_without_positions_has_no_rows() -> None:
    found = likelihood(btc_table(), held(usdt=1.0))
    assert len(found.liquidation) == len(found.reason) == 0


more = st.floats(1.0, 20.0)
horizons = st.floats(0.0, 1e6)
diffusions = st.floats(1e-6, 1e-2)
leverages = st.floats(1.0, 90.0)


def probabilities(
    horizon_s: float = HOUR_S,
    leverage: float = 10.0,
    diffusion: float = 5e-4,
    jump_mean: float = 0.02,
) -> tuple[float, float]:
    moved = moves(diffusion=diffusion, jump_mean=jump_mean)
    found = likelihood(btc_table(), held(isolated(leverage)), horizon_s, moved)
    return float(found.liquidation[0]), float(found.owing[0])


@effort(50, 1_000)
@given(horizons, more, diffusions)
def test_a_longer_horizon_is_never_safer(horizon_s: float, longer: float, diffusion: float) -> None:
    less = probabilities(horizon_s, diffusion=diffusion)
    most = probabilities(horizon_s * longer, diffusion=diffusion)
    assert all(low <= high + EXACT for low, high in zip(less, most, strict=True))


@effort(50, 1_000)
@given(horizons, more, diffusions)
def test_a_wilder_market_is_never_safer(horizon_s: float, wilder: float, diffusion: float) -> None:
    calm, _ = probabilities(horizon_s, diffusion=diffusion)
    wild, _ = probabilities(horizon_s, diffusion=diffusion * wilder, jump_mean=0.02 * wilder)
    assert calm <= wild + EXACT


@effort(50, 1_000)
@given(leverages, more, diffusions)
def test_more_leverage_is_never_safer(leverage: float, factor: float, diffusion: float) -> None:
    low, _ = probabilities(leverage=leverage, diffusion=diffusion)
    high, _ = probabilities(leverage=min(leverage * factor, 95.0), diffusion=diffusion)
    assert low <= high + EXACT


def test_a_jump_past_both_prices_is_exponentially_rare() -> None:
    often = likelihood(btc_table(), held(isolated()), 1.0, moves(diffusion=0.0, jumps_per_s=1e-3))
    down = 0.5e-3 * exp(-log(100.0 / 90.0) / 0.02)
    assert often.owing[0] == pytest.approx(down, rel=0.02, abs=1e-8)
