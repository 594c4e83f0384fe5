"""A layer over a table, as one call has it: marks told all at once, what is listed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.risk.markets import MarketTable
from service.risk.model import Mark
from service.risk.reports import Basis
from tests.risk.test_markets import (
    SYMBOLS,
    VENUES,
    a_fact,
    a_place,
    a_question,
    answers_of,
    tell,
)
from tests.strategies import effort

a_quote = st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from((7.0, 8.0)))


@effort(100, 2_000)
@given(
    st.lists(a_fact),
    st.lists(a_question),
    st.lists(st.tuples(st.sampled_from(VENUES), a_quote), unique_by=lambda quote: quote[0]),
    st.sampled_from(("mark", "index")),
    st.lists(a_question),
)
def test_marks_that_are_quoted_at_once_are_those_that_are_put_one_by_one(
    known: list[Any],
    before: list[Any],
    quotes: list[tuple[str, dict[str, float]]],
    basis: Basis,
    after: list[Any],
) -> None:
    parent = MarketTable()
    for fact in known:
        tell(parent, *fact)
    for question in before:  # the parent keeps what layers ask for
        answers_of(MarketTable(parent), *question)
    quoted, put = MarketTable(parent, basis=basis), MarketTable(parent, basis=basis)
    for question in before[::2]:
        assert answers_of(quoted, *question) == answers_of(put, *question)
    for venue, marks in quotes:
        quoted.quote(venue, marks, 9)
        for symbol, price in marks.items():
            put.put_mark(Mark(symbol, price, venue), 9)
    for question in (*before, *after):
        assert answers_of(quoted, *question) == answers_of(put, *question)


@given(st.lists(a_fact), a_place)
def test_a_symbol_is_listed_where_its_instrument_is_found(
    known: list[Any], place: tuple[str, str]
) -> None:
    parent = MarketTable()
    for fact in known:
        tell(parent, *fact)
    layer = MarketTable(parent)
    found = layer.find_instrument(*place) is not None
    assert layer.lists(*place) == found
    layer.market(*place)
    assert layer.lists(*place) == found, "asking for it has not listed it"
