"""Two parts of one work at the same time: what both return, what either raises, who does them."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from service import side_by_side as both
from service.side_by_side import side_by_side

PATIENCE_S = 10.0


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both, "processors", lambda: 2)


@pytest.fixture
def busy() -> Iterator[None]:
    """The second thread does something else meanwhile."""
    done = threading.Event()
    waiting = both._second_thread().submit(done.wait, PATIENCE_S)
    yield
    done.set()
    assert waiting.result(PATIENCE_S)


def thread() -> int:
    return threading.get_ident()


def broken() -> int:
    raise ValueError("broken")


@pytest.mark.usefixtures("two_processors")
def test_each_part_is_done_while_the_other_is() -> None:
    met = threading.Barrier(2)
    here, there = side_by_side(lambda: met.wait(PATIENCE_S), lambda: met.wait(PATIENCE_S))
    assert {here, there} == {0, 1}


def test_one_processor_does_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both, "processors", lambda: 1)
    assert side_by_side(thread, thread) == (thread(), thread())


@pytest.mark.usefixtures("two_processors", "busy")
def test_nobody_waits_for_a_thread_that_does_something_else() -> None:
    assert side_by_side(thread, thread) == (thread(), thread())


@pytest.mark.parametrize("processors", [1, 2])
def test_what_either_part_raises_is_raised(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(both, "processors", lambda: processors)
    with pytest.raises(ValueError, match="broken"):
        side_by_side(broken, thread)
    with pytest.raises(ValueError, match="broken"):
        side_by_side(thread, broken)
    assert len(side_by_side(thread, thread)) == 2


@pytest.mark.usefixtures("two_processors")
def test_an_error_waits_for_the_other_part() -> None:
    begun, ended = threading.Event(), threading.Event()

    def fail() -> None:
        assert begun.wait(PATIENCE_S)
        raise ValueError("broken")

    def go_on() -> None:
        begun.set()
        threading.Event().wait(0.05)
        ended.set()

    with pytest.raises(ValueError, match="broken"):
        side_by_side(fail, go_on)
    assert ended.is_set()


@pytest.mark.usefixtures("two_processors")
def test_numpy_warns_of_the_same_things_in_both_parts() -> None:
    met = threading.Barrier(2)

    def warned() -> str:
        met.wait(PATIENCE_S)
        return np.geterr()["over"]

    with np.errstate(over="raise"):
        assert side_by_side(warned, warned) == ("raise", "raise")


def test_there_is_at_least_one_processor() -> None:
    assert both.processors() >= 1
