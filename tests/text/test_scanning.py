"""Texts end at their closing quote, and nothing that needs a decoder is passed over on the way."""

import numpy as np
import pytest

from service.text.numerals import NOT_READ
from service.text.scanning import PADDING, text_end

PLAIN = [chr(letter) for letter in range(0x20, 0x7F) if chr(letter) not in '"\\']


def end_of(text: bytes, start: int) -> int:
    return text_end(np.frombuffer(text + b"\0" * PADDING, np.uint8), start)


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("length", range(18))
def test_a_text_ends_at_its_first_quote(start: int, length: int) -> None:
    for letter in PLAIN:
        assert end_of(b"?" * start + letter.encode() * length + b'"""', start) == start + length


@pytest.mark.parametrize("before", range(18))
def test_what_is_not_plain_is_not_read(before: int) -> None:
    for letter in {*range(256)} - {ord(plain) for plain in PLAIN} - {ord('"')}:
        for plain in "!~}#[] ":  # next to what is not
            text = plain.encode() * before + bytes([letter]) + b'aaaaaaaaa"'
            assert end_of(text, 0) == NOT_READ


def test_a_text_without_an_end_is_not_read() -> None:
    assert end_of(b"a" * 20, 0) == NOT_READ
    assert end_of(b"", 0) == NOT_READ
