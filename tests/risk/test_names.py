"""Names keep their numbers, however many there are and however they hash."""

import random

import numpy as np
import pytest

from service.risk import names
from service.risk.names import Names


def test_names_are_numbered_as_they_come() -> None:
    found = Names()
    assert [found.enter(name) for name in ("b", "a", "b", "", "ä", "a")] == [0, 1, 0, 2, 3, 1]
    assert [found[number] for number in range(len(found))] == ["b", "a", "", "ä"]
    assert found.find("a") == 1
    assert found.find("c") is None


@pytest.mark.parametrize("places", [64, 100, 5_000])
def test_names_agree_with_a_dictionary(places: int) -> None:
    source, found, expected = random.Random(places), Names(), dict[str, int]()
    for _ in range(20_000):
        name = f"default/{source.randrange(places)}"
        if source.random() < 0.5:
            assert found.find(name) == expected.get(name)
        else:
            assert found.enter(name) == expected.setdefault(name, len(expected))
    assert [found[number] for number in range(len(found))] == list(expected)


def test_names_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "hash", lambda _: 63, raising=False)
    found = Names()
    for _ in range(2):
        assert [found.enter(f"{number}") for number in range(200)] == list(range(200))
    assert found.find("200") is None


def test_names_that_begin_alike_are_told_by_their_number() -> None:
    found = Names()
    for name in ("a/1", "ab/1", "a/", "b/a/1", "a", "/1"):
        found.enter(name)
    numbers = np.array([5, 4, 3, 2, 1, 0], np.int64)
    assert found.begin_with(numbers, "a/").tolist() == [False, False, False, True, False, True]
    assert found.begin_with(numbers[:0], "a/").tolist() == []
