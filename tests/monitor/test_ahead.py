"""Marks that are judged in one go say what each says alone, and only plain marks are."""

import asyncio
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given

from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.monitor import shards
from service.monitor.alerts import AlertWriter
from service.monitor.ticks import MANY_WORN
from service.risk.model import Account, Balance, Mark, Position, Thresholds
from service.store.market_stream import MarketEntry
from tests.benchmarks.books import CALM, Kind, Rounds
from tests.monitor.fake_store import FakeStore
from tests.monitor.streams import Step, streams
from tests.monitor.test_engine import Driver, long
from tests.monitor.test_incremental import log_from_scratch, run
from tests.risk.building import BTC, ETH, contract, one_rate
from tests.strategies import effort


@given(streams())
@effort(20, 1_000)
def test_a_stream_that_is_read_at_once_gives_the_log_of_everything(steps: list[Step]) -> None:
    store = FakeStore()
    asyncio.run(run(store, steps))
    at_once = store.input_only()
    monitor = asyncio.run(run(at_once, ()))
    assert at_once.logs() == log_from_scratch(store)
    monitor.engine.audit(1_000)
    assert monitor.engine.stats.mismatches == 0


@given(streams())
@effort(10, 500)
def test_what_is_committed_between_two_entries_is_as_of_a_mark_that_was_taken(
    steps: list[Step],
) -> None:
    store = FakeStore()
    asyncio.run(run(store, steps))
    at_once = store.input_only()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "APPLY_S", -1.0)  # it is always time to commit
        asyncio.run(run(at_once, ()))
    assert at_once.logs() == log_from_scratch(store)


def speaking(kind: Kind) -> Rounds:
    """A seeded book whose engine writes alerts."""
    rounds = Rounds(kind, 2_000)
    engine = rounds.engine
    engine.writer = AlertWriter(engine.book, engine.names, engine._reminders, "epoch")
    return rounds


def told(rounds: Rounds, entries: list[MarketEntry], together: bool) -> Iterator[bytes]:
    for place, entry in enumerate(entries):
        if together:
            rounds.engine.look_ahead(entries, place)
        for page in rounds.engine.pages(entry, (), 0):
            yield from page.alerts


@pytest.mark.parametrize("kind", ["uniform", "mixed"])
def test_rounds_taken_together_say_what_they_say_mark_by_mark(kind: Kind) -> None:
    """Calm, a crash and the way back, when falls wait and end: byte by byte."""
    one_by_one, together = speaking(kind), speaking(kind)
    alerts = 0
    for drift in (0.0, -0.05, -0.2, 0.1, 0.0, 0.2):
        marks = one_by_one.marks(CALM, drift)
        said = list(told(one_by_one, marks, together=False))
        assert said == list(told(together, together.marks(CALM, drift), together=True))
        alerts += len(said)
    assert alerts > 500
    stats = one_by_one.engine.stats
    assert together.engine.stats == stats
    assert together.judge_all() == one_by_one.judge_all() == 0


def test_most_marks_of_a_calm_round_are_judged_together() -> None:
    rounds = Rounds("uniform", 300)
    rounds.apply(rounds.marks(CALM))  # the first looks at those that were loaded
    marks = rounds.marks(CALM)
    rounds.engine.look_ahead(marks)
    assert rounds.engine.is_ahead
    rounds.apply(marks)
    assert not rounds.engine.is_ahead
    assert rounds.engine.stats.entries == 2 * len(marks)


def test_few_markets_are_arranged_anew_before_others_have_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All may wear out at once after a load; who is busy for seconds then loses its leases."""
    rounds = Rounds("uniform", 20_000)
    holders, arranged = rounds.engine.book.holders, [0]
    arrange = holders.arrange

    def counted(market: int, mark: float) -> None:
        arranged[-1] += 1
        arrange(market, mark)

    monkeypatch.setattr(holders, "arrange", counted)
    rounds.apply(rounds.marks(CALM))
    holders.segments["wasted"] = 10**6  # worn, all of them
    marks = rounds.marks(0.0, 0.003)
    for place, mark in enumerate(marks):
        if not rounds.engine.is_ahead:
            arranged.append(0)
        rounds.engine.look_ahead(marks, place)
        list(rounds.engine.pages(mark, (), 0))
    assert sum(arranged) > len(marks) / 2
    assert max(arranged) == MANY_WORN


class Reader(Driver):
    """Reads marks ahead, and says whether they could be."""

    def looks(self, payload: bytes, kind: str = "m") -> bool:
        entry = MarketEntry(self.engine.market_id + 1, kind, self.time_ms, payload)
        self.engine.look_ahead([entry])
        ahead = self.engine.is_ahead
        list(self.engine.pages(entry, (), 77))
        assert not self.engine.is_ahead
        return ahead

    def mark_looks(self, price: float, symbol: str = BTC, venue: str = "generic") -> bool:
        return self.looks(encode_mark(Mark(symbol, price, venue)))


def test_what_changes_more_than_a_price_is_taken_alone() -> None:
    drive = Reader(contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)), **{BTC: 100.0})
    drive.write(("a", long(20.0)), ("b", long(20.0, venue="okx")))
    assert drive.mark_looks(99.0)
    assert not drive.mark_looks(99.0, venue="okx")  # from here on okx has its own
    assert drive.mark_looks(98.0, venue="okx")
    assert drive.mark_looks(98.0)
    assert not drive.mark_looks(1e-70)
    assert not drive.looks(b"{}", "c")
    assert not drive.looks(b"nonsense")
    assert drive.engine.stats.unreadable == 1
    assert not drive.looks(encode_instrument(contract(BTC, one_rate(0.02))), "i")
    drive.engine.suspect_all()
    assert not drive.mark_looks(99.0)
    assert drive.mark_looks(99.0)


def test_a_mark_that_reprices_collateral_is_taken_alone() -> None:
    drive = Reader(contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)), **{BTC: 100.0})
    drive.mark(20.0, ETH)
    assert drive.mark_looks(101.0)
    multi = Account(
        "",
        collateral_mode="multi",
        balances=(Balance("BTC", 1.0),),
        positions=(Position(ETH, 1.0, 20.0),),
        thresholds=Thresholds(),
    )
    drive.write(("a", multi))
    assert not drive.mark_looks(100.0)
    assert drive.mark_looks(20.5, ETH)  # its pool is judged elsewhere, after the mark was taken


def test_another_entry_than_was_judged_is_refused() -> None:
    drive = Reader()
    payload = encode_mark(Mark(BTC, 99.0))
    drive.engine.look_ahead([MarketEntry(drive.engine.market_id + 1, "m", 0, payload)])
    with pytest.raises(AssertionError, match="another is taken"):
        list(drive.engine.pages(MarketEntry(77, "m", 0, payload), (), 77))


def test_a_reminder_comes_at_the_mark_at_which_it_is_due() -> None:
    drive = Driver()
    lines = Thresholds(ease_after_ms=5_000, repeat_every_ms=2_000)
    account = Account(
        "",
        balances=(Balance("USDT", 20.0),),
        positions=(Position(BTC, 1.0, 100.0),),
        thresholds=lines,
    )
    drive.write(("a", account))
    first = drive.engine.market_id + 1
    entries = [
        MarketEntry(first + number, "m", 1_000 * number, encode_mark(Mark(BTC, 81.0)))
        for number in range(7)
    ]
    transitions = []
    for place, entry in enumerate(entries):
        drive.engine.look_ahead(entries, place)
        for page in drive.engine.pages(entry, (), 0):
            transitions += [(place, orjson.loads(alert)["transition"]) for alert in page.alerts]
    assert transitions == [(0, "raised"), (2, "repeat"), (4, "repeat"), (6, "repeat")]


def test_a_fall_ends_in_the_middle_of_marks_that_are_judged_together() -> None:
    drive = Driver(contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)))
    drive.mark(100.0)
    drive.mark(20.0, ETH)
    drive.write(("a", long(20.0)))
    drive.mark(81.0)
    prices = [(BTC, 90.0), *((ETH, 20.0 + number) for number in range(8))]
    first = drive.engine.market_id + 1
    entries = [
        MarketEntry(first + number, "m", 1_000 * number, encode_mark(Mark(symbol, price)))
        for number, (symbol, price) in enumerate(prices)
    ]
    said = []
    for place, entry in enumerate(entries):
        drive.engine.look_ahead(entries, place)
        pages = list(drive.engine.pages(entry, (), 0))
        said += [(place, orjson.loads(alert)["cause"]) for page in pages for alert in page.alerts]
    assert said == [(5, "time")]
