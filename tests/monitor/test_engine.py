"""The engine by example: what an alert says, when a fall ends, and in which order."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.monitor.engine import Engine
from service.risk.model import Account, Balance, Instrument, Mark, Position, Thresholds
from service.store.accounts import AccountChange
from service.store.market_stream import MarketEntry
from tests.monitor.streams import document_of
from tests.risk.building import BTC, ETH, contract, one_rate

FINE = {"quality": "good", "allows": "liquidate"}


class Driver:
    """An engine and the stream it is fed with."""

    def __init__(self, *listed: Instrument, **marks: float) -> None:
        self.engine = Engine("epoch")
        self.time_ms = 0
        self._versions: dict[str, int] = {}
        for instrument in listed or (contract(BTC, one_rate(0.01)),):
            self.feed("i", encode_instrument(instrument))
        for symbol, price in (marks or {BTC: 100.0}).items():
            self.mark(price, symbol)

    def feed(
        self, kind: str, payload: bytes, wait_ms: int = 0, changes: Sequence[AccountChange] = ()
    ) -> list[dict[str, Any]]:
        self.time_ms += wait_ms
        entry = MarketEntry(self.engine.market_id + 1, kind, self.time_ms, payload)
        pages = list(self.engine.pages(entry, changes, 77))
        return [orjson.loads(alert) for page in pages for alert in page.alerts]

    def mark(self, price: float, symbol: str = BTC, wait_ms: int = 0) -> list[dict[str, Any]]:
        return self.feed("m", encode_mark(Mark(symbol, price)), wait_ms)

    def tick(self, wait_ms: int) -> list[dict[str, Any]]:
        return self.feed("c", b"{}", wait_ms)

    def stale(self, stale: bool) -> list[dict[str, Any]]:
        words = {"quality": "stale", "allows": "call"} if stale else FINE
        word = {"venue": "generic", "symbol": BTC} | words
        return self.feed("q", orjson.dumps(word))

    def write(self, *accounts: tuple[str, Account | None], cause: str = "account") -> Any:
        changes: list[AccountChange] = []
        for name, account in accounts:
            self._versions[name] = version = self._versions.get(name, 0) + 1
            doc = None if account is None else document_of(account)
            changes.append(
                AccountChange(len(changes) + 1, f"default/{name}", version, cause, doc, 0)
            )
        return self.feed("a", b"{}", changes=changes)


def long(wallet: float, wait_ms: int = 5_000, **facts: Any) -> Account:
    """One coin at 100, and so much behind it: WARNING at 81.6 with a wallet of 20."""
    return Account(
        "",
        balances=(Balance("USDT", wallet),),
        positions=(Position(BTC, 1.0, 100.0),),
        thresholds=Thresholds(ease_after_ms=wait_ms),
        **facts,
    )


def said(alerts: list[dict[str, Any]]) -> list[tuple[str, int, str, str, str]]:
    return [(a["accountId"], a["seq"], a["level"], a["transition"], a["cause"]) for a in alerts]


def test_an_alert_says_where_the_pool_stands_and_what_would_help() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    (alert,) = drive.mark(81.0, wait_ms=500)
    assert alert.pop("toRestore")["deposit"] == pytest.approx(0.81 / 0.45 - 1.0)
    (position,) = alert.pop("positions")
    assert position["liquidationPrice"] == pytest.approx(80.0 / 0.99)
    assert position["bankruptcyPrice"] == pytest.approx(80.0)
    assert alert == {
        "id": "a-1",
        "epoch": "epoch",
        "accountId": "a",
        "seq": 1,
        "pool": {"kind": "cross", "settle": "USDT"},
        "level": "MARGIN_CALL",
        "previousLevel": "HEALTHY",
        "transition": "raised",
        "cause": "mark",
        "marginRatio": 0.81,
        "equity": 1.0,
        "maintenanceMargin": 0.81,
        "marginDeficit": 0.0,
        "shortfall": 0.0,
        "owed": 0.0,
        "marketId": 4,
        "accountVersion": 1,
        "eventTime": 500,
        "timestamp": 77,
    }


def test_a_fall_waits_and_is_the_doing_of_time() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    assert said(drive.mark(80.5)) == [("a", 1, "LIQUIDATION", "raised", "mark")]
    assert drive.mark(81.0, wait_ms=1_000) == []
    assert drive.mark(90.0, wait_ms=4_999) == []
    assert said(drive.mark(81.3, wait_ms=1)) == [("a", 2, "WARNING", "eased", "time")]
    assert drive.mark(90.0, wait_ms=1_000) == []
    assert said(drive.tick(5_000)) == [("a", 3, "HEALTHY", "resolved", "time")]


def test_a_fall_that_was_not_meant_begins_its_wait_anew() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    drive.mark(80.5)
    drive.mark(90.0, wait_ms=1_000)
    drive.mark(80.5, wait_ms=4_000)
    drive.mark(90.0, wait_ms=1_000)
    assert drive.tick(4_999) == []
    assert said(drive.tick(1)) == [("a", 2, "HEALTHY", "resolved", "time")]


def test_without_a_wait_the_mark_itself_is_the_cause() -> None:
    drive = Driver()
    drive.write(("a", long(20.0, wait_ms=0)))
    drive.mark(80.5)
    assert said(drive.mark(90.0)) == [("a", 2, "HEALTHY", "resolved", "mark")]


def test_worse_levels_come_first_then_accounts_by_name() -> None:
    drive = Driver()
    drive.write(*((name, long(wallet)) for name, wallet in (("c", 20.0), ("b", 15.0), ("a", 20.0))))
    found = said(drive.mark(81.0))
    assert [(name, level) for name, _, level, _, _ in found] == [
        ("b", "BANKRUPT"),
        ("a", "MARGIN_CALL"),
        ("c", "MARGIN_CALL"),
    ]


def test_versions_of_one_account_are_judged_one_after_the_other() -> None:
    drive = Driver()
    found = said(drive.write(("a", long(0.5)), ("b", long(1.5)), ("a", long(2.5, 0)), ("a", None)))
    assert found == [
        ("a", 1, "LIQUIDATION", "raised", "account"),
        ("b", 1, "WARNING", "raised", "account"),
        ("a", 2, "HEALTHY", "resolved", "account"),
    ]


def test_an_account_that_goes_is_resolved_and_its_seq_goes_on() -> None:
    drive = Driver()
    drive.write(("a", long(1.5)))
    assert said(drive.write(("a", None))) == [("a", 2, "HEALTHY", "resolved", "account")]
    (alert,) = drive.write(("a", long(0.5)), cause="withdrawal")
    assert said([alert]) == [("a", 3, "LIQUIDATION", "raised", "withdrawal")]
    assert alert["accountVersion"] == 3


def test_a_pool_that_goes_while_its_fall_waits_goes_by_its_account() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    drive.mark(80.5)
    drive.mark(100.0)
    assert said(drive.write(("a", None))) == [("a", 2, "HEALTHY", "resolved", "account")]


def test_a_stale_mark_raises_nobody_to_liquidation_and_a_fresh_one_does() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    assert drive.stale(True) == []
    assert said(drive.mark(80.5)) == [("a", 1, "MARGIN_CALL", "raised", "mark")]
    assert said(drive.stale(False)) == [("a", 2, "LIQUIDATION", "escalated", "mark")]


def test_a_pool_without_a_mark_is_unpriced_until_one_comes() -> None:
    drive = Driver(contract(BTC, one_rate(0.01)), contract(ETH, one_rate(0.01)), **{BTC: 100.0})
    two = (Position(BTC, 1.0, 100.0), Position(ETH, 1.0, 100.0))
    (alert,) = drive.write(("a", Account("", balances=(Balance("USDT", 50.0),), positions=two)))
    assert said([alert]) == [("a", 1, "UNPRICED", "unpriced", "account")]
    assert alert["equity"] is None
    assert alert["toRestore"] is None
    assert drive.mark(51.0) == []
    assert said(drive.mark(100.0, ETH)) == [("a", 2, "LIQUIDATION", "raised", "mark")]


def test_new_terms_are_judged_at_once() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    found = drive.feed("i", encode_instrument(contract(BTC, one_rate(0.15))))
    assert said(found) == [("a", 1, "WARNING", "raised", "instrument")]


def test_a_market_that_settles_elsewhere_moves_its_positions_to_another_pool() -> None:
    drive = Driver()
    drive.write(("a", long(1.5)))
    found = drive.feed("i", encode_instrument(contract(BTC, one_rate(0.01), settle="USDC")))
    assert [(a["pool"]["settle"], a["level"]) for a in found] == [
        ("USDC", "LIQUIDATION"),
        ("USDT", "HEALTHY"),
    ]


def test_collateral_that_falls_is_noticed_without_a_mark_of_a_position() -> None:
    drive = Driver(contract(ETH, one_rate(0.01)), **{ETH: 100.0, "BTC/USD": 100.0, "USDT/USD": 1.0})
    held = (Position(ETH, 1.0, 100.0),)
    backed = Account("", collateral_mode="multi", balances=(Balance("BTC", 0.1),), positions=held)
    assert drive.write(("a", backed)) == []
    assert said(drive.mark(15.0, "BTC/USD")) == [("a", 1, "WARNING", "raised", "mark")]


def test_what_cannot_be_read_is_passed_over() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    assert drive.feed("m", b'{"symbol":') == []
    broken = AccountChange(9, "default/a", 9, "account", b'{"positions":7}', 0)
    assert drive.feed("a", b"{}", changes=[broken]) == []
    assert drive.engine.stats.unreadable == 2
    assert said(drive.mark(81.0)) == [("a", 1, "MARGIN_CALL", "raised", "mark")]


def test_a_pool_at_a_wrong_level_is_found_by_the_sweep_and_healed() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    drive.engine.book.pools.level[0] = 4
    drive.engine.audit(10)
    assert drive.engine.stats.mismatches == 1
    assert drive.tick(1_000) == []
    assert said(drive.tick(5_000)) == [("a", 1, "HEALTHY", "resolved", "time")]


def test_an_acknowledgement_leaves_the_account_as_it_was() -> None:
    drive = Driver()
    drive.write(("a", long(20.0)))
    assert said(drive.mark(81.0)) == [("a", 1, "MARGIN_CALL", "raised", "mark")]
    acknowledged = AccountChange(2, "default/a", 0, "ack", b"1", 0)
    assert drive.feed("a", b"{}", changes=[acknowledged]) == []
    (alert,) = drive.mark(80.5)
    assert (alert["seq"], alert["accountVersion"]) == (2, 1)
