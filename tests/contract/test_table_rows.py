"""Rows in any order, open and closed: grouped as sorting groups them, and judged as one by one."""

import numpy as np
import pytest

from service.contract.table_rows import Positions, all_differ, are_good, by_account, come_in_order

NAN = float("nan")


@pytest.mark.parametrize("seed", range(40))
def test_rows_are_grouped_as_sorting_groups_them(seed: int) -> None:
    source = np.random.default_rng(seed)
    accounts, count = int(source.integers(1, 9)), int(source.integers(0, 40))
    owner = source.integers(0, accounts, count)
    owner = np.sort(owner) if seed % 2 else owner
    kept = source.random(count) < (1.0 if seed % 3 else 0.7)
    rows, counts = by_account(owner, kept, accounts)
    expected = np.flatnonzero(kept)[np.argsort(owner[kept], kind="stable")]
    assert counts.tolist() == np.bincount(owner[kept], minlength=accounts).tolist()
    found = np.arange(count) if rows is None else rows
    assert found.tolist() == expected.tolist()
    assert (rows is None) == (expected.tolist() == list(range(count)))


def positions(**other: list[float]) -> Positions:
    """An account with a long and a short of one symbol, and one with that symbol and another."""
    columns: dict[str, list[float]] = {
        "symbol": [0, 0, 0, 1],
        "isolated": [False, False, True, False],
        "contracts": [1.0, -1.0, 1.0, 1.0],
        "leverage": [NAN, NAN, 5.0, NAN],
        "margin": [NAN] * 4,
        "mark": [2.0, 2.0, 3.0, NAN],
    }
    kinds = {"symbol": np.int64, "isolated": np.bool_}
    given = {name: columns[name] if name not in other else other[name] for name in columns}
    return Positions(**{name: np.array(given[name], kinds.get(name)) for name in given})


@pytest.mark.parametrize(
    ("other", "good"),
    [
        ({}, True),
        ({"contracts": [1.0, 1.0, 1.0, 1.0]}, False),  # twice long
        ({"contracts": [1.0, 1.0, 1.0, 1.0], "symbol": [0, 1, 0, 1]}, True),
        ({"symbol": [0, 0, 1, 1]}, True),  # one of them is isolated
        ({"symbol": [0, 0, 1, 1], "isolated": [0, 0, 0, 0]}, False),
        ({"mark": [2.0, 2.5, 3.0, NAN]}, False),
        ({"mark": [2.0, NAN, 3.0, NAN]}, True),
        ({"mark": [2.0, 2.0, 9.0, 1.0]}, True),  # another account's may differ
        ({"leverage": [NAN] * 4}, False),
        ({"leverage": [NAN] * 4, "margin": [NAN, NAN, 1.0, NAN]}, True),
    ],
)
def test_positions_are_judged_by_account(other: dict[str, list[float]], good: bool) -> None:
    assert are_good(np.array([2, 2]), positions(**other), 2) == good


@pytest.mark.parametrize(
    ("counts", "codes", "differ"),
    [([2, 2], [0, 1, 0, 1], True), ([2, 2], [0, 1, 1, 1], False), ([0, 0], [], True)],
)
def test_a_code_is_there_once_an_account(counts: list[int], codes: list[int], differ: bool) -> None:
    assert all_differ(np.array(counts), np.array(codes, np.int64), 2) == differ


@pytest.mark.parametrize(
    ("codes", "many", "in_order"),
    [
        ([0, 0, 1, 0, 2], 3, True),
        ([0, 0, 1, 0, 2], 4, False),  # nobody's
        ([0, 2, 1], 3, False),
        ([1, 0], 2, False),
        ([-1, 0], 1, False),
        ([], 0, True),
        ([], 1, False),
    ],
)
def test_codes_come_in_order(codes: list[int], many: int, in_order: bool) -> None:
    assert come_in_order(np.array(codes, np.int64), many) == in_order
