"""Where there is no liquidation or bankruptcy price, the answer is NaN and a reason, never 0."""

import math

import numpy as np
import pytest

from service.risk.liquidation import REASONS
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Level, Position
from tests.risk.building import BTC, BTC_COIN, contract, held, one_rate, outcome, table_with


def reasons(table: MarketTable, account: Account) -> list[tuple[str, str]]:
    found = outcome(table, account).prices
    pairs = zip(found.reason.tolist(), found.bankruptcy_reason.tolist(), strict=True)
    return [(REASONS[one], REASONS[other]) for one, other in pairs]


@pytest.mark.parametrize(("venue", "liquidated"), [("generic", True), ("dydx", False)])
def test_equality_is_liquidation_but_at_strict_venues(venue: str, liquidated: bool) -> None:
    table = table_with(contract(BTC, one_rate(0.25)), marks={BTC: 100.0})
    account = held(Position(BTC, 1.0, 100.0, isolated=True, margin=25.0), venue=venue)
    found = outcome(table, account)
    assert bool(found.assessment.pools.level[0] == Level.LIQUIDATION) is liquidated
    assert reasons(table, account)[0][0] == ("already_liquidatable" if liquidated else "")
    if not liquidated:
        assert found.prices.below[0] == 100.0


def test_what_is_already_liquidatable_keeps_its_bankruptcy_price() -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 80.5})
    account = held(Position(BTC, 1.0, 100.0, isolated=True, leverage=5.0))
    found = outcome(table, account).prices
    assert reasons(table, account) == [("already_liquidatable", "")]
    assert np.isnan([found.below[0], found.above[0], found.liquidation[0]]).all()
    assert found.bankruptcy[0] == pytest.approx(80.0, rel=1e-14)


@pytest.mark.parametrize(
    ("contracts", "margin"),
    [(1.0, 100.0), (1.0, 150.0), (-1e-9, 1e6)],  # 1x, more than 1x, nothing to speak of
)
def test_what_no_price_can_liquidate_says_why(contracts: float, margin: float) -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 100.0})
    account = held(Position(BTC, contracts, 100.0, isolated=True, margin=margin))
    assert reasons(table, account) == [("fully_collateralised", "fully_collateralised")]
    assert math.isnan(outcome(table, account).prices.distance_pct[0])


def test_an_inverse_short_of_one_times_has_no_price() -> None:
    table = table_with(contract(BTC_COIN, one_rate(0.01)), marks={BTC_COIN: 100.0})
    account = held(Position(BTC_COIN, -100.0, 100.0, isolated=True, leverage=1.0))
    assert reasons(table, account) == [("fully_collateralised", "fully_collateralised")]


def test_an_unpriced_position_says_so() -> None:
    account = held(Position(BTC, 1.0, 100.0, isolated=True, leverage=5.0))
    assert reasons(table_with(contract(BTC)), account) == [("unpriced", "unpriced")]


def test_a_value_that_is_no_line_in_the_price_says_so() -> None:
    odd = contract("BTC/USD:BTC", one_rate(0.01), linear=True)
    table = table_with(odd, pegged=("USDT",), marks={"BTC/USD:BTC": 100.0})
    account = held(Position("BTC/USD:BTC", 1.0, 100.0), usdt=500.0, collateral_mode="multi")
    assert reasons(table, account) == [("no_closed_form", "no_closed_form")]


def test_no_legs_have_no_prices() -> None:
    found = outcome(MarketTable(), Account("a", balances=(Balance("USDT", 1.0),))).prices
    assert len(found.liquidation) == 0
