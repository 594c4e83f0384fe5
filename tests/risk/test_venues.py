"""Every venue of the contract has a row, and the rows say what the venues' documents say."""

import numpy as np
import pytest

from service.contract.names import VENUES
from service.errors import UnknownVenue
from service.risk.model import Position
from service.risk.venues import RULE_COLUMNS, RULES, by_mode, rule_index
from tests.risk.building import BTC, contract, held, one_rate, outcome, table_with


def test_the_table_has_exactly_the_venues_of_the_contract() -> None:
    assert tuple(RULES) == VENUES
    assert [rule_index(venue) for venue in VENUES] == list(range(len(VENUES)))


@pytest.mark.parametrize("venue", ["", "Binance", "ftx"])
def test_an_unknown_venue_is_refused(venue: str) -> None:
    with pytest.raises(UnknownVenue) as refused:
        rule_index(venue)
    assert refused.value.code == "unknown_venue"


def test_generic_is_binance() -> None:
    generic, binance = RULES["generic"], RULES["binance"]
    differing = [
        name for name in generic.__slots__ if getattr(generic, name) != getattr(binance, name)
    ]
    assert differing == ["name"]


def test_only_dydx_and_hyperliquid_are_strict() -> None:
    assert {rule.name for rule in RULES.values() if rule.strict} == {"dydx", "hyperliquid"}


def test_a_rule_may_depend_on_the_margin_mode() -> None:
    kucoin = np.array([rule_index("kucoin")] * 2)
    isolated = np.array([False, True])
    assert by_mode(RULE_COLUMNS.on_entry, isolated, kucoin).tolist() == [False, True]
    assert by_mode(RULE_COLUMNS.fee_on_notional, isolated, kucoin).tolist() == [True, False]


@pytest.mark.parametrize(
    ("venue", "isolated", "maintenance", "initial"),
    [
        ("binance", True, 2.2, 44.0),  # all at the mark
        ("binance", False, 2.2, 44.0),
        ("okx", True, 2.2 + 0.11, 40.0),  # 0.05 % of the notional; an isolated margin is fixed
        ("okx", False, 2.2 + 0.11, 44.0),
        ("bybit", True, 2.2 + 0.088, 44.0 + 0.088),  # 0.055 % of 200 x (1 - 1/5)
        ("bybit-classic", False, 2.0, 40.0),
        ("gate", True, 2.2 + 0.165, 44.0),
        ("kucoin", True, 2.0, 40.0),
        ("kucoin", False, 2.2 + 0.132, 44.0),
        ("bitmex", True, 2.0 + 0.18, 40.0 + 0.18),  # 0.075 % of 200 + 40
        ("mexc", False, 2.0, 40.0),
        ("delta", True, 2.0, 40.0),
        ("bitget", False, 2.2 + 0.132, 44.0),
        ("phemex", True, 2.2 + 0.132, 44.0 + 0.096),
        ("phemex", False, 2.2, 44.0 + 0.096),
        ("deribit", False, 2.2, 44.0),
    ],
)
def test_requirements_of_a_long_of_200_marked_at_220_by_venue(
    venue: str, isolated: bool, maintenance: float, initial: float
) -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: 110.0})
    position = Position(BTC, 2.0, 100.0, isolated=isolated, leverage=5.0)
    legs = outcome(table, held(position, usdt=1_000.0, venue=venue)).assessment.legs
    assert legs.maintenance_margin[0] == pytest.approx(maintenance, rel=1e-12)
    assert legs.initial_margin[0] == pytest.approx(initial, rel=1e-12)


def test_an_instruments_own_fee_goes_before_the_venues() -> None:
    position = Position(BTC, 1.0, 100.0, leverage=5.0)
    for fee, expected in ((None, 1.05), (0.0, 1.0), (0.002, 1.2)):
        table = table_with(contract(BTC, one_rate(0.01), taker_fee=fee), marks={BTC: 100.0})
        legs = outcome(table, held(position, usdt=50.0, venue="okx")).assessment.legs
        assert legs.maintenance_margin[0] == pytest.approx(expected, rel=1e-12)
