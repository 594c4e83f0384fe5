"""Other numbers than the shared vectors: venues' formulas, real positions, equality."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import pytest

from service.risk.venues import RULES
from tests.vectors.asking import Answered, Ask, Book, Held, body, put
from tests.vectors.exact import evaluate_by_reference
from tests.vectors.published_formulas import (
    FEE_IN_MARGIN,
    FORMULAS,
    WITHOUT_AMOUNT,
    Case,
    book_of,
)
from tests.vectors.worker import evaluate_by_api

LIQUIDATED = ("LIQUIDATION", "BANKRUPT")
LINEAR = (
    Case(True, False, 0.37, 61_234.5, 12.5, 0.004, 7.0, 0.00055),
    Case(True, False, 1_250.0, 3.1875, 5.0, 0.0125, 2.5, 0.0006, 137.0),
    Case(True, False, 2.0, 20_000.0, 50.0, 0.005, 0.0, 0.00075, 900.0),
)
INVERSE = (
    Case(True, True, 60_000.0, 50_000.0, 10.0, 0.005, 0.001, 0.00055),
    Case(True, True, 12_300.0, 7_890.08, 25.0, 0.01, 0.0, 0.00075, 0.05),
)


@pytest.fixture(scope="module", params=["api", "reference"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return evaluate_by_api() if request.param == "api" else evaluate_by_reference()


@pytest.fixture(scope="module")
def api() -> Ask:
    return evaluate_by_api()


def cases(venue: str) -> list[tuple[Case, float]]:
    """Every case as this venue would have it, with the price its formula gives."""
    linear, inverse = FORMULAS[venue]
    listed = [(case, linear) for case in LINEAR]
    listed += [(case, inverse) for case in INVERSE if inverse is not None]
    found = []
    for (case, formula), long in product(listed, (True, False)):
        amount = 0.0 if venue in WITHOUT_AMOUNT else case.amount
        own = replace(case, long=long, amount=amount)
        found.append((own, formula(own)))
    return found


def test_every_venue_has_a_formula() -> None:
    assert set(FORMULAS) == set(RULES)


@pytest.mark.parametrize("venue", FORMULAS)
def test_the_liquidation_price_is_the_one_that_the_venues_formula_gives(
    ask: Ask, venue: str
) -> None:
    for case, expected in cases(venue):
        held = FEE_IN_MARGIN[venue](case) if venue in FEE_IN_MARGIN else 0.0
        for mark in (None, case.entry * (1.0 + case.side * 0.003)):
            found = put(ask, book_of(case, venue, held, mark)).position()["liquidationPrice"]
            assert found == pytest.approx(expected, rel=1e-10), (case, mark)


@pytest.mark.parametrize("venue", FORMULAS)
def test_a_margin_that_is_not_given_is_the_one_the_venue_would_hold(ask: Ask, venue: str) -> None:
    for case, _ in cases(venue):
        plain = replace(case, extra=0.0)
        held = FEE_IN_MARGIN[venue](plain) if venue in FEE_IN_MARGIN else 0.0
        given = book_of(plain, venue, held)
        derived = put(ask, given.with_leg(margin=None)).position()
        stated = put(ask, given).position()
        for name in ("liquidationPrice", "bankruptcyPrice", "maintenanceMargin", "initialMargin"):
            assert derived[name] == pytest.approx(stated[name], rel=1e-10), (name, plain)


@pytest.mark.parametrize("venue", FORMULAS)
def test_a_position_is_liquidated_beyond_its_price_and_not_before(api: Ask, venue: str) -> None:
    for case, price in cases(venue):
        held = FEE_IN_MARGIN[venue](case) if venue in FEE_IN_MARGIN else 0.0
        beyond, before = price * (1.0 - case.side * 1e-9), price * (1.0 + case.side * 1e-9)
        assert put(api, book_of(case, venue, held, beyond)).pool()["level"] in LIQUIDATED
        assert put(api, book_of(case, venue, held, before)).pool()["level"] == "MARGIN_CALL"


@pytest.mark.parametrize("venue", FORMULAS)
@pytest.mark.parametrize(("long", "isolated"), list(product((True, False), repeat=2)))
def test_at_equality_only_the_strict_venues_wait_one_step_more(
    api: Ask, venue: str, long: bool, isolated: bool
) -> None:
    """Floats without any rounding: a notional of 96, an eighth of it required, 12 held."""
    strict = venue in ("hyperliquid", "dydx")
    leg = Held(1.0, 96.0, long, rate=0.125, leverage=4.0, margin=12.0, isolated=isolated)
    book = Book(venue, (leg,), wallet=0.0 if isolated else 12.0)
    answer = put(api, book)
    assert answer.position()["maintenanceMargin"] == 12.0
    assert answer.pool()["marginRatio"] == 1.0
    assert answer.pool()["level"] == ("MARGIN_CALL" if strict else "LIQUIDATION")
    worse, better = (math.nextafter(96.0, end) for end in (0.0, math.inf)[:: 1 if long else -1])
    level = [put(api, book.with_leg(mark=mark)).pool()["level"] for mark in (worse, better)]
    assert level == ["LIQUIDATION", "MARGIN_CALL"]


def test_binance_both_legs_of_a_hedge_share_the_price_of_its_formula(ask: Ask) -> None:
    """FAQ b3c689c1f50a44cabb3a84e663b81d93: hedge mode, cross; another symbol stays at its mark."""
    long = Held(2.0, 30_000.0, True, 29_000.0, 0.01, 50.0, isolated=False)
    short = replace(long, quantity=0.5, entry=31_000.0, long=False)
    other = Held(40.0, 1_900.0, True, 1_850.0, 0.01, 65.0, isolated=False)
    asked = body(Book("binance", (long, other, short), 9_000.0))
    asked["accounts"][0]["positions"][2]["symbol"] = asked["instruments"][0]["symbol"]
    others = -50.0 * 40.0 - (0.01 * 1_850.0 * 40.0 - 65.0)
    above = 9_000.0 + others + 50.0 + 50.0 - 2.0 * 30_000.0 + 0.5 * 31_000.0
    expected = above / (2.0 * 0.01 + 0.5 * 0.01 - 2.0 + 0.5)
    answer = Answered(ask(asked)["accounts"][0])
    found = [answer.position(number)["liquidationPrice"] for number in (0, 2)]
    assert found == pytest.approx([expected, expected], rel=1e-10)


@dataclass(frozen=True, slots=True)
class Example:
    """What a venue or its API printed of one position."""

    source: str
    book: Book
    printed: Mapping[str, float]
    rounding: float  # relative: of ticks, of satoshi a contract


EXAMPLES = (
    Example(
        "BitMEX API, a position of 2018-08-27 (posMaint, posMargin, prices)",
        Book(
            "bitmex", (Held(500.0, 6725.0, False, 6726.8, 0.005, None, 0.00075, 25.0, None, True),)
        ),
        {
            "maintenanceMargin": 0.00042975,
            "initialMargin": 0.00303200,
            "liquidationPrice": 6968.5,
            "bankruptcyPrice": 7004.5,
        },
        2e-4,
    ),
    Example(
        "BitMEX API, a position of 2019-02-09 (posMargin 59161; its requirement had funding in)",
        Book(
            "bitmex",
            (Held(20.0, 3349.5, False, 3608.44, 0.005, None, 0.00075, 10.0, 0.00059161, True),),
        ),
        {"initialMargin": 0.00060203, "bankruptcyPrice": 3714.0},
        2e-4,
    ),
    Example(
        "edgeX API, an account of 2024-12-20",
        Book(
            "edgex",
            (Held(0.001, 97_444.5, True, 97_734.426609, 0.005, leverage=50.0, isolated=False),),
            15.501312,
        ),
        {
            "maintenanceMargin": 0.488672,
            "initialMargin": 1.954689,
            "liquidationPrice": 82_354.9,
            "bankruptcyPrice": 81_943.1,
        },
        2e-6,
    ),
    Example(
        "KuCoin API, an isolated position of 2026-02-19: by then at the mark with taker, as Gate's",
        Book(
            "gate", (Held(0.001, 68_094.2, False, 66_954.6, 0.004, None, 0.0006, 50.0, 2.35897317),)
        ),
        {"maintenanceMargin": 0.30799116, "liquidationPrice": 70_130.5725363},
        1e-11,
    ),
    Example(
        "KuCoin support 26686139092889",
        Book("kucoin", (Held(1.0, 40_000.0, rate=0.004, leverage=40.0),)),
        {"liquidationPrice": 39_160.0, "bankruptcyPrice": 39_000.0},
        1e-12,
    ),
    Example(
        "Bybit help centre, Liquidation-Price-USDT-Contract, example 1",
        Book("bybit-classic", (Held(1.0, 20_000.0, rate=0.005, leverage=50.0),)),
        {"initialMargin": 400.0, "maintenanceMargin": 100.0, "liquidationPrice": 19_700.0},
        1e-12,
    ),
    Example(
        "Phemex help centre, Order-Cost-USDT-Contract: margin and fee to close of trader A",
        Book("phemex", (Held(1.0, 70_000.0, rate=0.005, fee=0.00055, leverage=10.0),)),
        {"initialMargin": 7_000.0 + 34.65},
        1e-12,
    ),
    Example(
        "Huobi support 900000106086: ten contracts of 100 USD",
        Book("htx", (Held(1_000.0, 5_000.0, rate=0.01, leverage=10.0, inverse=True),)),
        {"initialMargin": 0.02},
        1e-12,
    ),
    Example(
        "Phemex help centre, legerage-IM-MM-USDTM: two tiers",
        Book(
            "phemex",
            (
                Held(
                    3_000_000.0,
                    1.0,
                    isolated=False,
                    tiers=(
                        {"minNotional": 0, "maxNotional": 2e6, "maintenanceMarginRate": 0.005},
                        {"minNotional": 2e6, "maintenanceMarginRate": 0.0075},
                    ),
                ),
            ),
            1e6,
        ),
        {"maintenanceMargin": 17_500.0},
        1e-12,
    ),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.source)
def test_a_printed_example_is_reproduced(ask: Ask, example: Example) -> None:
    found = put(ask, example.book).position()
    printed = {
        name: pytest.approx(value, rel=example.rounding) for name, value in example.printed.items()
    }
    assert {name: found[name] for name in printed} == printed
