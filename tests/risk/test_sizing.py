"""The largest position for a budget and a stop: by hand, by the engine, and on every venue."""

from dataclasses import replace
from math import isnan
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnknownVenue
from service.risk.markets import MarketTable
from service.risk.model import Account, Level, Mark, Position
from service.risk.sizing import SizeAnswer, SizeQuestion, size_position
from service.risk.venues import RULES
from tests.risk.building import BTC, BTC_COIN, THREE_TIERS, contract, one_rate, outcome, table_with
from tests.strategies import effort

QUESTION = SizeQuestion(BTC, "long", 100.0, 95.0, budget=10.0, capital=1_000.0)
TABLE = table_with(contract(BTC, one_rate(0.01)))


def held_at(table: MarketTable, question: SizeQuestion, answer: SizeAnswer, mark: float) -> Level:
    """The level of the position of an answer at a mark."""
    layer = MarketTable(table)
    layer.put_mark(Mark(question.symbol, mark, venue=question.venue))
    side = 1.0 if question.side == "long" else -1.0
    position = Position(
        question.symbol,
        side * answer.contracts,
        question.entry_price,
        isolated=True,
        leverage=answer.leverage,
    )
    account = Account("a", venue=question.venue, positions=(position,))
    found = outcome(layer, account).assessment
    assert found.legs.margin[0] == pytest.approx(answer.margin, rel=1e-9)
    return Level(found.pools.level[0])


def test_the_budget_over_the_loss_of_one_is_the_size() -> None:
    answer = size_position(TABLE, QUESTION)
    assert (answer.reason, answer.bound_by) == ("", "budget")
    assert answer.contracts == pytest.approx(2.0)
    assert answer.loss_at_stop == pytest.approx(10.0)
    # Past the stop by a tenth of 5 is 94.5: lost 11, required 1.89.
    assert answer.margin == pytest.approx(12.89, rel=1e-6)
    assert answer.leverage == pytest.approx(200.0 / 12.89, rel=1e-6)
    assert answer.liquidation_price == pytest.approx(94.5, rel=1e-6)


def test_a_short_is_the_mirror() -> None:
    answer = size_position(TABLE, replace(QUESTION, side="short", stop_price=105.0))
    assert answer.contracts == pytest.approx(2.0)
    assert answer.liquidation_price == pytest.approx(105.5, rel=1e-6)


def test_the_closing_fee_is_in_the_loss() -> None:
    table = table_with(contract(BTC, one_rate(0.01), taker_fee=0.001))
    assert size_position(table, QUESTION).contracts == pytest.approx(10.0 / 5.095)


def test_where_capital_is_short_it_binds() -> None:
    answer = size_position(TABLE, replace(QUESTION, capital=6.445))
    assert answer.bound_by == "capital"
    assert answer.contracts == pytest.approx(1.0, rel=1e-6)
    assert answer.margin <= 6.445
    assert answer.loss_at_stop < 10.0


def test_capital_that_just_does_does_not_bind() -> None:
    enough = size_position(TABLE, QUESTION).margin
    assert size_position(TABLE, replace(QUESTION, capital=enough)).bound_by == "budget"
    less = size_position(TABLE, replace(QUESTION, capital=enough * (1.0 - 1e-9)))
    assert less.bound_by == "capital"


def test_leverage_keeps_to_what_is_allowed() -> None:
    near = replace(QUESTION, stop_price=99.9, budget=1.0)
    assert size_position(TABLE, near).leverage < 100.0
    assert size_position(TABLE, replace(near, leverage_max=20.0)).leverage == 20.0
    tiered = table_with(contract(BTC))
    # 10 contracts are in the first tier (50 x), 200 in the second (20 x).
    assert size_position(tiered, near).leverage == 50.0
    assert size_position(tiered, replace(near, budget=20.0)).leverage == 20.0


def test_an_inverse_position_loses_coin() -> None:
    table = table_with(contract(BTC_COIN, one_rate(0.01)))
    question = replace(QUESTION, symbol=BTC_COIN, budget=0.1)
    answer = size_position(table, question)
    assert answer.contracts == pytest.approx(0.1 / (1.0 / 95.0 - 1.0 / 100.0))
    assert answer.liquidation_price == pytest.approx(94.5, rel=1e-6)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (replace(QUESTION, symbol="DOGE/USDT:USDT"), "unknown_instrument"),
        (replace(QUESTION, stop_price=100.0), "stop_on_wrong_side"),
        (replace(QUESTION, stop_price=101.0), "stop_on_wrong_side"),
        (replace(QUESTION, side="short"), "stop_on_wrong_side"),
        (replace(QUESTION, budget=1e308, stop_price=100.0 - 1e-13), "out_of_range"),
    ],
)
def test_what_cannot_be_answered_has_a_reason(question: SizeQuestion, reason: str) -> None:
    answer = size_position(TABLE, question)
    assert (answer.reason, answer.bound_by) == (reason, None)
    assert isnan(answer.contracts)


def test_a_venue_must_be_known() -> None:
    with pytest.raises(UnknownVenue):
        size_position(TABLE, replace(QUESTION, venue="nowhere"))


@st.composite
def questions(draw: st.DrawFn) -> SizeQuestion:
    side: Literal["long", "short"] = draw(st.sampled_from(["long", "short"]))
    symbol = draw(st.sampled_from([BTC, BTC_COIN]))
    unit = 100.0 if symbol == BTC_COIN else 1.0
    away = draw(st.floats(0.002, 0.3))
    return SizeQuestion(
        symbol,
        side,
        100.0,
        stop_price=100.0 * (1.0 - away if side == "long" else 1.0 + away),
        budget=draw(st.floats(0.1, 5_000.0)) / unit,
        capital=draw(st.floats(0.1, 10_000.0)) / unit,
        venue=draw(st.sampled_from(sorted(RULES))),
    )


@effort(60, 2_000)
@given(questions(), st.booleans())
def test_the_stop_comes_before_liquidation_by_every_venues_rules(
    question: SizeQuestion, tiered: bool
) -> None:
    tiers = THREE_TIERS if tiered else one_rate(0.01)
    table = table_with(contract(question.symbol, tiers))
    answer = size_position(table, question)
    assert answer.reason == ""
    assert answer.contracts > 0.0
    assert answer.loss_at_stop <= question.budget * (1.0 + 1e-9)
    assert answer.margin <= question.capital * (1.0 + 1e-9)
    assert held_at(table, question, answer, question.stop_price) < Level.LIQUIDATION
    if answer.bound_by == "budget":
        assert answer.loss_at_stop == pytest.approx(question.budget)
    elif not tiered:  # at a border between tiers the next larger position may take much more
        assert answer.margin == pytest.approx(question.capital)
