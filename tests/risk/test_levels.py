"""The level table on both sides of every line, the falling rule, and stale marks."""

import numpy as np
import pytest

from service.risk.levels import NOT_PENDING, LevelTable, held_back, next_level, step, table_level
from service.risk.model import Level

HEALTHY, UNPRICED, WARNING, MARGIN_CALL, LIQUIDATION, BANKRUPT = Level


def one(value: object, kind: type = float) -> np.ndarray:
    return np.array([value], dtype=kind)


def level_of(
    equity: float,
    maintenance: float,
    strict: bool = False,
    open_: bool = True,
    unpriced: bool = False,
) -> Level:
    return Level(table_level(equity, maintenance, open_, unpriced, LevelTable(0.5, 0.75, strict)))


@pytest.mark.parametrize(
    ("equity", "maintenance", "level"),
    [
        (100.0, 0.0, HEALTHY),
        (0.0, 0.0, HEALTHY),
        (-1e-300, 0.0, BANKRUPT),
        (100.0, np.nextafter(50.0, 0.0), HEALTHY),
        (100.0, 50.0, WARNING),
        (100.0, np.nextafter(75.0, 0.0), WARNING),
        (100.0, 75.0, MARGIN_CALL),
        (100.0, np.nextafter(100.0, 0.0), MARGIN_CALL),
        (100.0, 100.0, LIQUIDATION),
        (0.0, 1e-300, LIQUIDATION),
        (np.nextafter(0.0, -1.0), 1.0, BANKRUPT),
        (-100.0, 100.0, BANKRUPT),
    ],
)
def test_levels_by_the_table(equity: float, maintenance: float, level: Level) -> None:
    assert level_of(equity, maintenance) is level


@pytest.mark.parametrize(
    ("maintenance", "level"),
    [(100.0, MARGIN_CALL), (np.nextafter(100.0, 200.0), LIQUIDATION)],
)
def test_a_strict_venue_liquidates_above_equality(maintenance: float, level: Level) -> None:
    assert level_of(100.0, maintenance, strict=True) is level


@pytest.mark.parametrize("equity", [-5.0, 0.0, 5.0, float("nan")])
def test_a_pool_without_positions_is_healthy(equity: float) -> None:
    assert level_of(equity, 0.0, open_=False) is HEALTHY
    assert level_of(equity, 0.0, open_=False, unpriced=True) is HEALTHY


def test_what_is_unpriced_says_so() -> None:
    assert level_of(float("nan"), float("nan"), unpriced=True) is UNPRICED
    assert level_of(-5.0, 1.0, unpriced=True) is UNPRICED


def heading(
    current: Level,
    equity: float,
    maintenance: float,
    open_: bool = True,
    unpriced: bool = False,
) -> Level:
    table = level_of(equity, maintenance, open_=open_, unpriced=unpriced)
    found = next_level(
        one(table, np.int8),
        one(current, np.int8),
        one(equity),
        one(maintenance),
        open_=one(open_, bool),
        unpriced=one(unpriced, bool),
        warning=one(0.5),
        margin_call=one(0.75),
        hysteresis=one(0.125),
    )
    return Level(int(found[0]))


@pytest.mark.parametrize(
    ("current", "maintenance", "level"),
    [
        (HEALTHY, 40.0, HEALTHY),
        (HEALTHY, 50.0, WARNING),
        (HEALTHY, 200.0, LIQUIDATION),
        (WARNING, 37.5, WARNING),  # at the line less the hysteresis: still held
        (WARNING, np.nextafter(37.5, 0.0), HEALTHY),
        (MARGIN_CALL, 62.5, MARGIN_CALL),
        (MARGIN_CALL, np.nextafter(62.5, 0.0), WARNING),
        (MARGIN_CALL, 40.0, WARNING),  # a lower line than its own still holds
        (MARGIN_CALL, 30.0, HEALTHY),
        (LIQUIDATION, 87.5, LIQUIDATION),
        (LIQUIDATION, np.nextafter(87.5, 0.0), MARGIN_CALL),
        (BANKRUPT, 200.0, LIQUIDATION),  # equity is positive again: no hysteresis
        (BANKRUPT, 90.0, LIQUIDATION),
        (BANKRUPT, 10.0, HEALTHY),
        (UNPRICED, 40.0, HEALTHY),
        (UNPRICED, 50.0, WARNING),
    ],
)
def test_where_a_pool_with_equity_100_is_heading(
    current: Level, maintenance: float, level: Level
) -> None:
    assert heading(current, 100.0, maintenance) is level


def test_a_bankrupt_pool_stays_so_while_equity_is_below_zero() -> None:
    assert heading(BANKRUPT, -1e-9, 1.0) is BANKRUPT
    assert heading(BANKRUPT, 0.0, 1.0) is LIQUIDATION


@pytest.mark.parametrize("current", list(Level))
def test_nothing_is_held_by_a_pool_that_is_closed_unpriced_or_free(current: Level) -> None:
    assert heading(current, 10.0, 0.0, open_=False) is HEALTHY
    assert heading(current, float("nan"), float("nan"), unpriced=True) is UNPRICED
    assert heading(current, 0.0, 0.0) is HEALTHY


@pytest.mark.parametrize(
    ("level", "current", "most", "expected"),
    [
        (BANKRUPT, HEALTHY, BANKRUPT, BANKRUPT),
        (BANKRUPT, HEALTHY, MARGIN_CALL, MARGIN_CALL),
        (LIQUIDATION, MARGIN_CALL, MARGIN_CALL, MARGIN_CALL),
        (LIQUIDATION, LIQUIDATION, MARGIN_CALL, LIQUIDATION),
        (BANKRUPT, LIQUIDATION, MARGIN_CALL, LIQUIDATION),
        (WARNING, HEALTHY, MARGIN_CALL, WARNING),
        (MARGIN_CALL, HEALTHY, WARNING, WARNING),
        (WARNING, HEALTHY, HEALTHY, HEALTHY),
        (WARNING, UNPRICED, HEALTHY, HEALTHY),  # it has a price now, which raises nobody
        (UNPRICED, HEALTHY, HEALTHY, UNPRICED),
        (HEALTHY, LIQUIDATION, HEALTHY, HEALTHY),  # a fall is not held back
    ],
)
def test_doubtful_marks_raise_nobody_further_than_they_may(
    level: Level, current: Level, most: Level, expected: Level
) -> None:
    told = held_back(one(level, np.int8), one(current, np.int8), one(most, np.int8))
    assert Level(int(told[0])) is expected


def walk(start: Level, heads: list[tuple[int, Level]], wait_ms: int) -> list[tuple[Level, int]]:
    """Step through (event time, heading) pairs; returns level and pending time after each."""
    level, pending = one(start, np.int8), one(NOT_PENDING, np.int64)
    seen = []
    for time, head in heads:
        level, pending = step(
            level,
            pending,
            one(head, np.int8),
            ease_after_ms=one(wait_ms, np.int64),
            event_time=time,
        )
        seen.append((Level(int(level[0])), int(pending[0])))
    return seen


def test_a_rise_happens_at_once_to_the_highest_line() -> None:
    assert walk(HEALTHY, [(7, BANKRUPT)], 5_000) == [(BANKRUPT, NOT_PENDING)]


def test_a_fall_waits_and_goes_to_what_it_is_then() -> None:
    heads = [(1_000, MARGIN_CALL), (3_000, HEALTHY), (5_999, HEALTHY), (6_000, WARNING)]
    assert walk(LIQUIDATION, heads, 5_000) == [
        (LIQUIDATION, 1_000),
        (LIQUIDATION, 1_000),
        (LIQUIDATION, 1_000),
        (WARNING, NOT_PENDING),
    ]


def test_an_evaluation_that_says_otherwise_cancels_a_fall() -> None:
    heads = [
        (1_000, HEALTHY),
        (5_000, WARNING),
        (5_500, HEALTHY),
        (10_499, HEALTHY),
        (10_500, HEALTHY),
    ]
    levels = walk(WARNING, heads, 5_000)
    assert [level for level, _ in levels] == [WARNING] * 4 + [HEALTHY]
    assert [pending for _, pending in levels] == [1_000, NOT_PENDING, 5_500, 5_500, NOT_PENDING]


def test_a_rise_cancels_a_fall_too() -> None:
    assert walk(WARNING, [(0, HEALTHY), (1, LIQUIDATION)], 5_000)[1] == (LIQUIDATION, NOT_PENDING)


def test_without_a_wait_a_fall_happens_at_once() -> None:
    assert walk(LIQUIDATION, [(3, HEALTHY)], 0) == [(HEALTHY, NOT_PENDING)]


def test_a_fall_may_begin_at_event_time_zero() -> None:
    assert walk(WARNING, [(0, HEALTHY), (9, HEALTHY), (10, HEALTHY)], 10) == [
        (WARNING, 0),
        (WARNING, 0),
        (HEALTHY, NOT_PENDING),
    ]


def test_a_pool_without_positions_falls_at_once() -> None:
    level, pending = step(
        one(BANKRUPT, np.int8),
        one(NOT_PENDING, np.int64),
        one(HEALTHY, np.int8),
        ease_after_ms=one(5_000, np.int64),
        event_time=1,
        open_=one(False, bool),
    )
    assert (level.tolist(), pending.tolist()) == ([HEALTHY], [NOT_PENDING])
