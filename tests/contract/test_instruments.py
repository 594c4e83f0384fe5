"""Instruments and marks: refused when a table has a hole, read back as they were written."""

import json
from typing import Any, get_args

import pytest

from service.contract.instruments import decode_instrument, encode_instrument
from service.contract.marks import decode_mark, encode_mark
from service.contract.names import Venue
from service.errors import InvalidInput
from service.risk.venues import RULES

BITCOIN: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT",
    "linear": True,
    "contractSize": 1,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "tiers": [
        {"minNotional": 0, "maxNotional": 50_000, "maintenanceMarginRate": 0.004},
        {"minNotional": 50_000, "maxNotional": None, "maintenanceMarginRate": 0.005},
    ],
}


def tier(low: Any, high: Any, rate: Any = 0.01) -> dict[str, Any]:
    return {"minNotional": low, "maxNotional": high, "maintenanceMarginRate": rate}


def test_every_venue_with_rules_may_be_named() -> None:
    assert set(get_args(Venue)) == set(RULES)


def test_an_instrument_reads_back_as_it_was_written() -> None:
    more = {"venue": "okx", "takerFee": "0.0005", "tiering": "whole", "tierUnit": "contracts"}
    instrument = decode_instrument(json.dumps(BITCOIN | more).encode())
    assert decode_instrument(encode_instrument(instrument)) == instrument
    assert instrument.tiers[-1].cap == float("inf")


@pytest.mark.parametrize(
    ("tiers", "pointer"),
    [
        ([tier(0, 10), tier(20, 30)], "/tiers/1"),
        ([tier(0, 10), tier(5, 30)], "/tiers/1"),
        ([tier(0, 10, 0.02), tier(10, 30, 0.01)], "/tiers/1"),
        ([tier(1, 10)], "/tiers/0"),
        ([tier(0, None), tier(10, 20)], "/tiers/1"),
        ([tier(0, "NaN")], "/tiers/0/maxNotional"),
        ([tier(0, 10, True)], "/tiers/0/maintenanceMarginRate"),
        ([tier(0, 10, -0.1)], "/tiers/0/maintenanceMarginRate"),
        ([tier(0, 10, 1.1)], "/tiers/0/maintenanceMarginRate"),
        ([], "/tiers"),
    ],
)
def test_a_table_that_does_not_cover_all_sizes_is_refused(
    tiers: list[dict[str, Any]], pointer: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_instrument(json.dumps(BITCOIN | {"tiers": tiers}).encode(), "/3")
    assert caught.value.faults[0].pointer == f"/3{pointer}"


@pytest.mark.parametrize("symbol", ["", "A B", "A|B", "A\nB", "A\n", "x" * 65, "\u2003"])
def test_a_symbol_is_one_word(symbol: str) -> None:
    with pytest.raises(InvalidInput):
        decode_mark(json.dumps({"symbol": symbol, "markPrice": 1}).encode())


def test_a_mark_reads_back_as_it_was_written() -> None:
    raw = {"venue": "okx", "symbol": "币安人生/USDT:USDT", "markPrice": "1.5", "timestamp": 5}
    mark = decode_mark(json.dumps(raw | {"source": "a", "fundingRate": -0.01}).encode())
    assert decode_mark(encode_mark(mark)) == mark


@pytest.mark.parametrize("price", [0, -1, True, None, "NaN", "1e-400", [], float(2**53) * 1e300])
def test_a_price_is_finite_and_positive(price: Any) -> None:
    with pytest.raises(InvalidInput):
        decode_mark(
            json.dumps({"symbol": "A", "markPrice": price}).encode().replace(b"Infinity", b"1e999")
        )


@pytest.mark.parametrize("linear", ["1", "0", '"true"', '"1"', "1.0", "null"])
def test_linear_is_a_boolean_and_nothing_like_one(linear: str) -> None:
    raw = json.dumps(BITCOIN).replace('"linear": true', f'"linear": {linear}').encode()
    with pytest.raises(InvalidInput) as refused:
        decode_instrument(raw, "/0")
    assert [fault.pointer for fault in refused.value.faults] == ["/0/linear"]
