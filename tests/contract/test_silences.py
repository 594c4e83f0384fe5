"""Which alerts are under a silence: both sides of every border, nobody else's."""

import json

import msgspec
import pytest

from service.contract.alerts import LevelName
from service.contract.silences import (
    KNOWN_AFTER_MS,
    LONGEST_MS,
    SilenceDocument,
    Silences,
    SilenceView,
    begun,
    ended,
    in_order,
)
from service.errors import InvalidInput

NOW = 1_000_000


def alert(timestamp: int) -> bytes:
    return json.dumps({"id": "a-1", "timestamp": timestamp, "positions": []}).encode()


def held(*accounts: str, levels: list[LevelName] | None = None) -> Silences:
    """A silence of tenant `t` over [100, 200)."""
    one = SilenceView("1", list(accounts), levels, 100, 200, "")
    return Silences({("t", "1"): msgspec.json.encode(one)})


@pytest.mark.parametrize(
    ("timestamp", "under"), [(99, False), (100, True), (199, True), (200, False)]
)
def test_it_holds_from_its_start_to_before_its_end(timestamp: int, under: bool) -> None:
    assert held("*").covers("t", "t/a", "WARNING", alert(timestamp)) is under


@pytest.mark.parametrize(
    ("account", "under"), [("desk-7", True), ("desk-71", False), ("fund.1", True), ("fund", False)]
)
def test_it_is_of_accounts_by_name_or_beginning(account: str, under: bool) -> None:
    silences = held("desk-7", "fund.*")
    assert silences.covers("t", f"t/{account}", "WARNING", alert(150)) is under


def test_it_is_of_its_levels_and_of_its_tenant_alone() -> None:
    silences = held("*", levels=["WARNING", "HEALTHY"])
    assert silences.covers("t", "t/a", "WARNING", alert(150))
    assert not silences.covers("t", "t/a", "LIQUIDATION", alert(150))
    assert not silences.covers("u", "u/a", "WARNING", alert(150))
    assert silences.any_of("t")
    assert not silences.any_of("u")


def test_one_begins_when_everybody_knows_of_it_and_ends_after_that() -> None:
    for until in (0, NOW, NOW + KNOWN_AFTER_MS, NOW + LONGEST_MS + 1):
        with pytest.raises(InvalidInput):
            begun("1", SilenceDocument(until), NOW)
    for until in (NOW + KNOWN_AFTER_MS + 1, NOW + LONGEST_MS):
        silence = begun("1", SilenceDocument(until), NOW)
        assert (silence.starts_at, silence.until) == (NOW + KNOWN_AFTER_MS, until)
        assert silence.accounts == ["*"]


def test_one_that_is_taken_back_ends_as_late_and_never_later() -> None:
    silence = begun("1", SilenceDocument(NOW + 50_000), NOW)
    first = ended(silence, NOW + 10_000)
    assert first.until == NOW + 10_000 + KNOWN_AFTER_MS
    assert ended(first, NOW + 11_000) == first
    assert ended(silence, NOW + 49_999) == silence


def test_those_that_are_over_are_not_listed_and_the_first_to_end_is_first() -> None:
    ends = {"c": 5, "b": 7, "a": 7}
    views = [SilenceView(name, ["*"], None, 0, until, "") for name, until in ends.items()]
    assert [one.id for one in in_order(views, 4)] == ["c", "a", "b"]
    assert [one.id for one in in_order(views, 5)] == ["a", "b"]
