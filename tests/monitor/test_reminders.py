"""Reminders: told again by the account's own rule, in event time, the same whoever dies when."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.risk.book import Book
from service.risk.model import Account, Mark
from service.store.accounts import AccountChange
from tests.logs import told
from tests.monitor.fake_store import FakeStore
from tests.monitor.streams import Step, document_of, put_mark, tick, write
from tests.monitor.test_engine import Driver, long, said
from tests.monitor.test_incremental import (
    Death,
    log_from_scratch,
    run,
    run_with_deaths,
    states_of,
)
from tests.monitor.test_reference_log import entries_of, log_of
from tests.reference.log import ExactEvaluator
from tests.risk.building import BTC, contract, one_rate

EVERY_MS = 60_000


def reminded(
    wallet: float = 20.0, *, until_acknowledged: bool = False, wait_ms: int = 0
) -> Account:
    """An account that is told again every minute."""
    account = long(wallet, wait_ms)
    lines = replace(
        account.thresholds,
        repeat_every_ms=EVERY_MS,
        repeat_until_acknowledged=until_acknowledged,
    )
    return replace(account, thresholds=lines)


def acked(drive: Driver, seq: int, name: str = "a") -> Any:
    change = AccountChange(1, f"default/{name}", 0, "ack", str(seq).encode(), 0)
    return drive.feed("a", b"{}", changes=[change])


def test_an_alert_is_told_again_at_the_first_entry_that_is_late_enough() -> None:
    drive = Driver()
    drive.write(("a", reminded()))
    assert said(drive.mark(81.0)) == [("a", 1, "MARGIN_CALL", "raised", "mark")]
    assert drive.tick(EVERY_MS - 1) == []
    (again,) = drive.tick(1)
    assert said([again]) == [("a", 2, "MARGIN_CALL", "repeat", "time")]
    assert (again["repeatOf"], again["previousLevel"]) == ("a-1", "MARGIN_CALL")
    assert drive.tick(EVERY_MS - 1) == []
    (third,) = drive.mark(80.9, wait_ms=1)  # told with the figures of now
    assert (third["id"], third["repeatOf"], third["cause"]) == ("a-3", "a-1", "time")
    assert third["positions"][0]["markPrice"] == 80.9


def test_of_several_that_were_missed_in_a_silence_one_is_told() -> None:
    drive = Driver()
    drive.write(("a", reminded()))
    drive.mark(81.0)
    assert len(drive.tick(10 * EVERY_MS + 7)) == 1
    assert drive.tick(EVERY_MS - 1) == []
    assert len(drive.tick(1)) == 1


def test_who_sets_no_rule_is_told_once() -> None:
    drive = Driver()
    drive.write(("a", long(20.0, 0)))
    drive.mark(81.0)
    assert drive.tick(100 * EVERY_MS) == []


def test_another_level_is_an_alert_of_its_own_and_begins_anew() -> None:
    drive = Driver()
    drive.write(("a", reminded()))
    drive.mark(81.0)
    drive.tick(EVERY_MS)
    moved = drive.mark(80.5, wait_ms=EVERY_MS)  # when the next one would have been due
    assert said(moved) == [("a", 3, "LIQUIDATION", "escalated", "mark")]
    assert "repeatOf" not in moved[0]
    assert drive.tick(EVERY_MS - 1) == []
    (again,) = drive.tick(1)
    assert (again["seq"], again["repeatOf"]) == (4, "a-3")


def test_what_is_resolved_is_not_told_again() -> None:
    drive = Driver()
    drive.write(("a", reminded()))
    drive.mark(81.0)
    assert said(drive.mark(100.0)) == [("a", 2, "HEALTHY", "resolved", "mark")]
    assert drive.tick(10 * EVERY_MS) == []


def test_a_level_that_waits_to_fall_is_told_again_and_then_falls() -> None:
    drive = Driver()
    drive.write(("a", reminded(wait_ms=2 * EVERY_MS)))
    drive.mark(81.0)
    drive.mark(100.0, wait_ms=1_000)
    assert said(drive.tick(EVERY_MS - 1_000)) == [("a", 2, "MARGIN_CALL", "repeat", "time")]
    assert said(drive.tick(EVERY_MS + 1_000)) == [("a", 3, "HEALTHY", "resolved", "time")]


@pytest.mark.parametrize("ack", [1, 3])  # the alert, its newest reminder
def test_until_acknowledged_ends_with_the_alert_or_its_newest_reminder(ack: int) -> None:
    drive = Driver()
    drive.write(("a", reminded(until_acknowledged=True)))
    drive.mark(81.0)
    for seq in (2, 3):
        assert [alert["seq"] for alert in drive.tick(EVERY_MS)] == [seq]
    assert acked(drive, 2) == []  # neither
    assert acked(drive, 9) == []
    assert acked(drive, 1, "b") == []
    assert [alert["seq"] for alert in drive.tick(EVERY_MS)] == [4]
    assert acked(drive, ack if ack == 1 else 4) == []
    assert drive.tick(10 * EVERY_MS) == []
    drive.mark(80.5)  # another alert, which nobody has acknowledged
    assert [alert["repeatOf"] for alert in drive.tick(EVERY_MS)] == ["a-5"]


def test_an_acknowledgement_does_not_end_a_rule_that_lasts_as_long_as_the_level() -> None:
    drive = Driver()
    drive.write(("a", reminded()))
    drive.mark(81.0)
    acked(drive, 1)
    assert len(drive.tick(EVERY_MS)) == 1


def test_a_rule_that_changes_counts_from_the_last_that_was_told() -> None:
    drive = Driver()
    drive.write(("a", long(20.0, 0)))
    drive.mark(81.0)
    drive.tick(EVERY_MS - 1)
    assert drive.write(("a", reminded())) == []
    assert len(drive.tick(1)) == 1
    assert drive.write(("a", long(20.0, 0))) == []
    drive.tick(5 * EVERY_MS)
    assert [alert["repeatOf"] for alert in drive.write(("a", reminded()))] == ["a-1"]


def test_reminders_stand_among_the_alerts_of_their_entry_worse_first() -> None:
    drive = Driver()
    drive.write(*[(name, reminded(wallet)) for name, wallet in (("a", 20.0), ("b", 19.5))])
    drive.write(("c", long(19.0, 0)))
    assert [alert["accountId"] for alert in drive.mark(81.0)] == ["b", "c", "a"]
    found = drive.mark(80.6, wait_ms=EVERY_MS)
    assert [(one["accountId"], one["level"], one["transition"]) for one in found] == [
        ("c", "BANKRUPT", "escalated"),
        ("a", "LIQUIDATION", "escalated"),
        ("b", "LIQUIDATION", "repeat"),
    ]


def scenario() -> list[Step]:
    """An alert, reminders, an acknowledgement, another level, and another account beside it."""
    doc = document_of(reminded(until_acknowledged=True))
    other = document_of(reminded(19.0))
    steps: list[Step] = [
        lambda store, _: store.append("i", encode_instrument(contract(BTC, one_rate(0.01)))),
        lambda store, _: store.append("m", encode_mark(Mark(BTC, 100.0))),
        write("default/a", doc, "account", notice=True),
        write("default/b", other, "account", notice=True),
        put_mark(Mark(BTC, 81.0), 1_000),
    ]
    steps += [tick(EVERY_MS), tick(EVERY_MS), acknowledge_newest("default/b"), tick(EVERY_MS)]
    steps += [acknowledge_newest("default/a"), tick(EVERY_MS), tick(EVERY_MS), tick(EVERY_MS)]
    steps += [write("default/a", doc, "deposit", notice=True), tick(EVERY_MS), tick(EVERY_MS)]
    steps += [put_mark(Mark(BTC, 80.5), 500), tick(EVERY_MS), acknowledge_newest("default/a")]
    return [*steps, tick(EVERY_MS), tick(EVERY_MS), put_mark(Mark(BTC, 120.0), 500), tick(EVERY_MS)]


def acknowledge_newest(key: str) -> Step:
    """Acknowledge the newest alert of an account, which is a reminder here."""

    def step(store: FakeStore, _: Book) -> None:
        told = [
            orjson.loads(alert) for shard in store.shards for of, alert in shard.log if of == key
        ]
        assert told[-1]["transition"] == "repeat"
        store.notice(store.acknowledge(key, told[-1]["seq"]))

    return step


def test_the_reference_says_the_same() -> None:
    store = FakeStore()
    asyncio.run(run(store, scenario()))
    logs = store.logs()
    transitions = {str(alert["transition"]) for log in logs for alert in log}
    assert {"raised", "repeat", "resolved"} <= transitions
    told_again = [one for log in logs for one in log if one["transition"] == "repeat"]
    # Until it is acknowledged: three at the first level, one at the next.
    assert [one["repeatOf"] for one in told_again if one["accountId"] == "a"].count("a-1") == 3
    for shard, log in enumerate(logs):
        assert told(log) == log_of(ExactEvaluator(), entries_of(store, shard))
    assert store.logs() == log_from_scratch(store)


@pytest.mark.parametrize("after", [False, True])
def test_a_death_at_any_call_changes_no_reminder(after: bool) -> None:
    undisturbed = FakeStore()
    monitor = asyncio.run(run(undisturbed, scenario()))
    deaths = 0
    for call in range(1, 200):
        store = FakeStore()
        plan = [Death(call, after)]
        again = asyncio.run(run_with_deaths(store, scenario(), plan))
        assert store.logs() == undisturbed.logs(), call
        assert states_of(again) == states_of(monitor)
        deaths += 1
        if call > store.calls:
            break
    assert deaths > 20
