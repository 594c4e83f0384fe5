"""A cursor comes back as it went out; anything else that comes back is refused by name."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.cursor import decode_cursor, encode_cursor
from service.errors import InvalidCursor

OFFSETS = st.lists(st.integers(0, 2**63 - 1), max_size=80)


@given(st.text(max_size=40), OFFSETS)
def test_a_cursor_comes_back_as_it_went_out(epoch: str, offsets: list[int]) -> None:
    if len(epoch.encode("utf-8", "surrogatepass")) > 100 or not epoch.isprintable():
        epoch = "e"
    cursor = decode_cursor(encode_cursor(epoch, offsets))
    assert (cursor.epoch, cursor.offsets) == (epoch, tuple(offsets))


@given(st.text())
def test_what_was_never_given_out_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text)


def test_a_cursor_with_one_letter_changed_cut_or_added_is_refused() -> None:
    given_out = encode_cursor("9f8a7c6d", [3, 0, 200, 70_000])
    chance = random.Random(11)
    letters = "ABCabc0189-_=+/ \n\x00é"
    for at in range(len(given_out)):
        letter = chance.choice([each for each in letters if each != given_out[at]])
        for wrong in (
            given_out[:at] + letter + given_out[at + 1 :],
            given_out[:at] + given_out[at + 1 :],
            given_out[:at] + letter + given_out[at:],
        ):
            with pytest.raises(InvalidCursor):
                decode_cursor(wrong)


def test_a_cursor_over_64_shards_is_short() -> None:
    assert len(encode_cursor("9f8a7c6d5e4b3a21", [5_000] * 64)) < 220
