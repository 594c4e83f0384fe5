"""Accounts as columns are the accounts as records; whoever is at fault is a suspect."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    RepeatDocument,
    ThresholdsDocument,
    document_faults,
    to_account,
)
from service.contract.positions import PositionDocument
from service.contract.stated import state
from service.risk.batch import statements_of
from service.risk.columns import Statements, Words
from tests.strategies import effort

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
prices = st.none() | st.sampled_from((1.0, 2.0)) | st.sampled_from((0.0, -1.0, 1e308, -1e308))
good_prices = st.none() | st.sampled_from((1.0, 2.0))


def positions(price: st.SearchStrategy[float | None]) -> st.SearchStrategy[PositionDocument]:
    return st.builds(
        PositionDocument,
        symbol=st.sampled_from(SYMBOLS),
        contracts=st.sampled_from((0.0, 1.0, 2.5)) if price is good_prices else st.floats(-1, 2),
        side=st.sampled_from(("long", "short") if price is good_prices else ("long", None)),
        entry_price=st.just(3.0) if price is good_prices else price,
        margin_mode=st.sampled_from(("cross", "isolated", None)),
        leverage=price,
        contract_size=price,
        mark_price=price,
        margin=price,
        collateral=price,
        unrealized_pnl=price,
        stop_loss_price=price,
        take_profit_price=price,
        loss_budget=price,
    )


balances = st.builds(
    BalanceDocument,
    asset=st.sampled_from(("USDT", "BTC")),
    amount=st.floats(-5, 5),
    weight=st.none() | st.sampled_from((0.5, 1.0)),
    price=good_prices,
)
lines = st.none() | st.sampled_from((0.1, 0.5, 0.9))


@st.composite
def documents(draw: st.DrawFn) -> AccountDocument:
    rows = positions(draw(st.sampled_from((good_prices, good_prices, prices))))
    eased = st.sampled_from((None, 7))
    thresholds = st.builds(
        ThresholdsDocument, warning=lines, margin_call=lines, ease_after_ms=eased
    )
    until = st.sampled_from(("resolved", "acknowledged"))
    repeats = st.builds(RepeatDocument, every_ms=st.just(60_000), until=until)
    return AccountDocument(
        venue=draw(st.sampled_from((None, "binance", "okx"))),
        margin_mode=draw(st.sampled_from((None, "cross", "isolated"))),
        collateral_mode=draw(st.sampled_from((None, "single", "multi"))),
        balances=draw(st.none() | st.lists(balances, max_size=3)),
        positions=draw(st.none() | st.lists(rows, max_size=4)),
        thresholds=draw(st.none() | thresholds),
        repeat=draw(st.none() | repeats),
    )


def check_same(ours: Statements, theirs: Statements) -> None:
    for field in fields(Statements):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(mine, Words):
            assert mine.listed() == other.listed()
        else:
            np.testing.assert_array_equal(mine, other, err_msg=field.name)


def without_marks(document: AccountDocument, marked: Sequence[str]) -> AccountDocument:
    for row in document.positions or ():
        if row.symbol in marked:
            row.mark_price = None
    return document


@effort(150, 5_000)
@given(st.lists(documents(), max_size=4), st.sets(st.sampled_from(SYMBOLS)))
def test_columns_are_the_records_and_faults_are_suspected(
    many: list[AccountDocument], marked: set[str]
) -> None:
    suspects = state(many, marked).suspects
    good = []
    for document, suspect in zip(many, suspects.tolist(), strict=True):
        faults = document_faults(document, marked=marked)
        assert suspect or not faults
        if not faults:
            good.append(document)
    ours = state(good, marked).statements
    records = [to_account(without_marks(document, list(marked)), "a") for document in good]
    check_same(ours, statements_of(records))


def test_a_hedge_is_no_suspect() -> None:
    rows = [PositionDocument(SYMBOLS[0], 1.0, side, 3.0) for side in ("long", "short")]
    assert not state([AccountDocument(positions=rows)] * 3).suspects.any()
