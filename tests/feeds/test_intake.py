"""What is taken of a frame: prices, times, the newest a symbol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.feeds.intake import ClockRules, Figure, Intake
from service.feeds.tape import MarkDoc

NOW_MS = 1_700_000_000_000
BTC = "BTC/USDT:USDT"


def intake_at(now_ms: int = NOW_MS) -> Intake:
    """Return an intake in the middle of a frame."""
    intake = Intake("okx", ClockRules(5_000, 10_000), now_ms=lambda: now_ms)
    intake.begin_frame()
    return intake


@pytest.mark.parametrize(
    "nonsense", [None, "", "0", 0, -1.5, "-0.0", "NaN", float("nan"), "inf", 1e999, "1e999", "ten"]
)
def test_what_is_no_price_is_nobodys_price(nonsense: Figure) -> None:
    intake = intake_at()
    intake.take(BTC, nonsense, time_ms=NOW_MS)
    assert (intake.drain(), dict(intake.refused)) == ([], {"not_a_price": 1})
    assert not intake.end_frame()


@pytest.mark.parametrize("price", [5e-324, "1e-9", 1, "65000.10", 1.7e308])
def test_any_price_above_zero_is_taken(price: Figure) -> None:
    intake = intake_at()
    intake.take(BTC, price, index="nan", last="0", funding="", time_ms=NOW_MS)
    (mark,) = intake.drain()
    assert price is not None
    assert mark == {
        "venue": "okx",
        "symbol": BTC,
        "markPrice": float(price),
        "timestamp": NOW_MS,
    }
    assert intake.end_frame()


@pytest.mark.parametrize(
    ("offset_ms", "reason"),
    [(-5_000, None), (-5_001, "clock_ahead"), (10_000, None), (10_001, "too_old")],
)
def test_a_time_too_far_from_ours_is_not_believed(offset_ms: int, reason: str | None) -> None:
    intake = intake_at()
    intake.take(BTC, "5", time_ms=NOW_MS - offset_ms)
    assert dict(intake.refused) == ({reason: 1} if reason else {})
    assert intake.clock_offset_ms() == offset_ms


def test_a_clock_that_was_ahead_costs_no_later_mark() -> None:
    intake = intake_at()
    intake.take(BTC, "5", time_ms=NOW_MS + 60_000)
    intake.take(BTC, "6", time_ms=NOW_MS)
    assert [mark["markPrice"] for mark in intake.drain()] == [6.0]


@pytest.mark.parametrize("stamp", [False, True])
def test_a_mark_of_a_frame_without_time_has_that_of_its_receipt_where_it_needs_one(
    stamp: bool,
) -> None:
    received_ms = [NOW_MS, NOW_MS + 700]
    intake = Intake("okx", ClockRules(stamp=stamp), now_ms=lambda: received_ms.pop(0))
    expected = [NOW_MS, NOW_MS + 700] if stamp else [None, None]
    for price, time_ms in zip(("5", "6"), expected, strict=True):
        intake.begin_frame()
        intake.take(BTC, price)
        [mark] = intake.drain()
        assert (mark["markPrice"], mark.get("timestamp")) == (float(price), time_ms)
    assert (dict(intake.refused), intake.clock_offset_ms()) == ({}, None)


def test_a_mark_told_twice_is_one_and_another_of_its_time_is_news() -> None:
    intake = intake_at()
    for price in ("5", "5", "6"):
        intake.take(BTC, price, time_ms=NOW_MS)
    assert dict(intake.refused) == {"doubled": 1}
    assert [mark["markPrice"] for mark in intake.drain()] == [6.0]
    intake.take(BTC, "6", time_ms=NOW_MS)
    assert intake.drain() == []


def test_the_offset_is_the_median_of_frames() -> None:
    intake = Intake("okx", now_ms=lambda: NOW_MS)
    for offset_ms in (40, 4_000, 50):
        intake.begin_frame()
        for _ in range(3):
            intake.take(BTC, "5", time_ms=NOW_MS - offset_ms)
    assert intake.clock_offset_ms() == 50


SAID = st.tuples(
    st.sampled_from(["A/USDT:USDT", "B/USDT:USDT", "C/USDT:USDT"]),
    st.sampled_from(["1", "2", "3", "0", "nan"]),
    st.integers(-12_000, 7_000),
    st.booleans(),
)


@given(st.lists(SAID, max_size=60))
def test_what_goes_out_is_in_order_the_newest_and_all_that_was_taken(
    said: list[tuple[str, str, int, bool]],
) -> None:
    intake = intake_at()
    sent: list[MarkDoc] = []
    newest: dict[str, int] = {}
    for symbol, price, shift_ms, drains in said:
        taken = intake.taken
        intake.take(symbol, price, time_ms=NOW_MS + shift_ms)
        if intake.taken > taken:
            assert newest.get(symbol, 0) <= NOW_MS + shift_ms
            newest[symbol] = NOW_MS + shift_ms
        if drains:
            sent += intake.drain()
    sent += intake.drain()
    by_symbol: dict[str, list[int]] = {}
    for mark in sent:
        by_symbol.setdefault(str(mark["symbol"]), []).append(int(mark["timestamp"]))
    assert all(times == sorted(times) for times in by_symbol.values())
    assert {symbol: times[-1] for symbol, times in by_symbol.items()} == newest
    assert len(said) == intake.taken + sum(intake.refused.values())
    assert len(sent) == intake.taken - intake.conflated
