"""What a fund is asked for: shortfalls up to the limit, loans left out, surpluses apart."""

import numpy as np
import pytest

from service.risk.batch import build_batch
from service.risk.closing import close
from service.risk.evaluate import assess
from service.risk.fund import Funds
from service.risk.fund_claims import FundClaims, fund_claims
from service.risk.model import Account, Position
from service.risk.waterfall import settle
from tests.risk.building import BTC, contract, held, one_rate, table_with


def asked(mark: float, *accounts: Account, most: float = np.inf) -> FundClaims:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: mark})
    batch, _ = build_batch(accounts, table)
    return fund_claims(batch, assess(batch), np.full(len(accounts), most))


def long(venue: str, margin: float = 10.0) -> Account:
    """One coin bought at 100, isolated."""
    return held(Position(BTC, 1.0, 100.0, isolated=True, margin=margin), venue=venue)


@pytest.mark.parametrize(
    ("mark", "claimed", "contribution"),
    [
        (91.0, 0.0, 0.0),  # required are 0.91: nobody closes it
        (90.9, 0.0, 0.9),  # 0.909; a surplus is not a claim
        (90.0, 0.0, 0.0),
        (89.5, 0.5, 0.0),
        (80.0, 10.0, 0.0),
    ],
)
def test_what_is_missing_is_claimed_and_a_surplus_is_expected(
    mark: float, claimed: float, contribution: float
) -> None:
    found = asked(mark, long("okx"))
    assert found.claimed.tolist() == [claimed]
    assert found.contribution.tolist() == pytest.approx([contribution])
    assert found.over_limit.tolist() == [0.0]


@pytest.mark.parametrize(("most", "claimed", "over"), [(10.0, 10.0, 0.0), (9.5, 9.5, 0.5)])
def test_an_event_takes_up_to_the_limit_each(most: float, claimed: float, over: float) -> None:
    found = asked(80.0, long("okx"), long("binance"), most=most)
    assert found.claimed.tolist() == [claimed] * 2
    assert found.over_limit.tolist() == [over] * 2


def test_the_fund_asks_for_what_its_venue_leaves_it() -> None:
    found = asked(90.5, long("okx"), long("binance"), long("generic"))
    assert found.contribution.tolist() == [0.5, 0.0, 0.0]  # binance states none


def test_an_unpriced_pool_is_not_known() -> None:
    found = asked(80.0, held(Position("XRP/USDT:USDT", 1.0, 1.0), usdt=1.0, venue="okx"))
    assert found.known().tolist() == [False]


@pytest.mark.parametrize("mark", [70.0, 85.0, 90.3, 90.9])
@pytest.mark.parametrize("venue", ["okx", "binance", "dydx", "bybit", "hyperliquid"])
def test_it_is_what_the_waterfall_takes_of_a_fund_that_has_enough(venue: str, mark: float) -> None:
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: mark})
    batch, _ = build_batch(
        [long(venue), held(Position(BTC, 2.0, 95.0), usdt=10, venue=venue)], table
    )
    assessment, many = assess(batch), len(batch.asset_price)
    closing = close(batch, assessment, assessment.legs.mark, np.zeros(2))
    funds = Funds(np.full(many, np.inf), np.full(many, 12.0))
    told = settle(batch, assessment, closing, closed=np.full(2, fill_value=True), funds=funds)
    found = fund_claims(batch, assessment, np.full(2, 12.0))
    np.testing.assert_allclose(found.claimed, told.fund, rtol=1e-12)
    np.testing.assert_allclose(found.contribution, told.contributed, rtol=1e-12)
