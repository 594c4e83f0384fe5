"""Every published number that the contract has room for comes out within its tolerance."""

import pytest

from tests.vectors.asking import Ask
from tests.vectors.exact import evaluate_by_reference
from tests.vectors.exceptions import EXCEPTIONS
from tests.vectors.published import Vector, vectors
from tests.vectors.verdicts import judge, table
from tests.vectors.worker import evaluate_by_api

VECTORS = vectors()
# At equality in decimals; the floats that stand for them, taken exactly, are not equal.
TIED = {"dydx-isliquidatable-2"}
needs_vectors = pytest.mark.skipif(
    not VECTORS, reason="the published vectors are not here (PLIMSOLL_SHARED says where they are)"
)


@pytest.fixture(scope="module")
def ask() -> Ask:
    return evaluate_by_api()


@needs_vectors
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_a_published_number_is_reproduced(ask: Ask, vector: Vector) -> None:
    verdict = judge(ask, vector)
    if verdict.exception:
        pytest.skip(verdict.exception)
    assert not verdict.missed


@needs_vectors
@pytest.mark.soak
def test_exceptions_are_of_vectors_that_are_there(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {vector.id for vector in VECTORS}
    assert set(EXCEPTIONS) <= known
    verdicts = [judge(ask, vector) for vector in VECTORS]
    with capsys.disabled():
        print("\n" + "\n".join(table(verdicts)))
    assert sum(verdict.is_reproduced for verdict in verdicts) == len(known) - len(EXCEPTIONS)


@needs_vectors
def test_the_reference_reproduces_them_too() -> None:
    ask = evaluate_by_reference()
    missed = {vector.id for vector in VECTORS if judge(ask, vector).missed}
    assert missed <= TIED
