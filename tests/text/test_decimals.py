"""A number's text is the shortest that is read back as it, and orjson's to the last byte."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.weaving import figures, records, weave
from tests.api.test_weaving import Cell
from tests.strategies import effort

POWERS_OF_TWO = 2.0 ** np.arange(-1074, 1024)
POWERS_OF_TEN = np.array([float(f"1e{power}") for power in range(-323, 309)])
BORDERS = np.array([1e-6, 1e-5, 9.999e-5, 1e-4, 1e7, 12345678.5, 1e8, 1e15, 1e16, 123e14, 1e17])


def agree(values: np.ndarray) -> None:
    found = weave(records(Cell, figures((values,)), len(values)))
    theirs = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    assert bytes(found.inside()) == b",".join(b'{"it":%b}' % text for text in theirs)


@pytest.mark.parametrize("seed", [7])
def test_texts_are_those_of_orjson(seed: int) -> None:
    source = np.random.default_rng(seed)
    many = 20_000
    agree(source.integers(-(2**63), 2**63, many).view(np.float64))
    agree(source.integers(0, 2**52, many).view(np.float64))  # the least of all
    agree(source.normal(size=many) * 10.0 ** source.uniform(-8.0, 18.0, many))
    agree(np.round(source.normal(size=many) * 1_000.0, 3))
    agree(source.integers(0, 10**16, many) * 1.0)
    agree(source.integers(1, 1_000, many) * 10.0 ** source.integers(-30, 30, many))


@pytest.mark.parametrize("values", [POWERS_OF_TWO, POWERS_OF_TEN, BORDERS])
def test_borders_are_those_of_orjson(values: np.ndarray) -> None:
    for each in (values, np.nextafter(values, 0.0), np.nextafter(values, np.inf), -values):
        agree(each)


@effort(100, 20_000)
@given(st.lists(st.floats(), min_size=1))
def test_any_number_is_that_of_orjson(values: list[float]) -> None:
    agree(np.array(values))
