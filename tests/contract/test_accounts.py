"""Accounts as clients write them: ccxt's rows unchanged, faults named, the stored reads back."""

import json
from typing import Any

import pytest

from service.contract.accounts import (
    decode_account,
    decode_document,
    decode_named,
    encode_document,
    to_account,
)
from service.errors import InvalidInput, MalformedBody
from service.risk.model import Balance, Thresholds

LONG = {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 2, "entryPrice": 60_000}


def account(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def read(raw: bytes, **more: Any) -> Any:
    return to_account(decode_document(raw), "a1", **more)


def faults_of(raw: bytes) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        read(raw)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_a_row_of_ccxt_goes_in_unchanged() -> None:
    row = LONG | {
        "info": {"positionSide": "BOTH", "nested": [{"x": None}]},
        "id": None,
        "hedged": False,
        "marginMode": None,
        "leverage": 10.0,
        "unrealizedPnl": 12.5,
        "collateral": None,
        "liquidationPrice": 0,
        "timestamp": 1_700_000_000_000,
    }
    (position,) = read(account(venue="binance", positions=[row])).positions
    assert (position.contracts, position.isolated, position.leverage) == (2.0, False, 10.0)


def test_the_margin_mode_of_a_row_comes_before_the_accounts() -> None:
    rows = [LONG | {"margin": 5}, LONG | {"marginMode": "cross"}]
    read_rows = read(account(marginMode="isolated", positions=rows)).positions
    assert [position.isolated for position in read_rows] == [True, False]


@pytest.mark.parametrize(
    ("given", "margin"),
    [
        ({"margin": 100}, 100.0),
        ({"collateral": 100, "unrealizedPnl": -20}, 120.0),
        ({"collateral": 100}, 100.0),
        ({"margin": 70, "collateral": 100}, 70.0),
        ({"leverage": 5}, None),
    ],
)
def test_isolated_margin_has_no_unrealised_pnl(given: dict[str, float], margin: float) -> None:
    row = LONG | {"marginMode": "isolated"} | given
    assert read(account(positions=[row])).positions[0].margin == margin


def test_a_short_is_negative_and_a_closed_row_is_nothing() -> None:
    rows = [LONG | {"side": "short"}, {"symbol": "X", "contracts": 0, "entryPrice": 0}]
    assert [p.contracts for p in read(account(positions=rows)).positions] == [-2.0]


def test_decimal_strings_are_numbers() -> None:
    raw = account(balances=[{"asset": "USDT", "amount": "-1.5e2", "weight": "0.9"}])
    assert read(raw).balances == (Balance("USDT", -150.0, 0.9),)


@pytest.mark.parametrize(
    "number",
    [
        b"true",
        b"false",
        b'"NaN"',
        b'"Infinity"',
        b'"-inf"',
        b'"1e999"',
        b"1e999",
        b'"1_0"',
        b'""',
        b"[]",
        b"{}",
        b'"0x10"',
        b'" 1"',
        b"1" * 400,
        b'"' + b"1" * 5000 + b'"',
        b"null",
    ],
)
def test_what_is_no_finite_number_is_refused(number: bytes) -> None:
    raw = b'{"balances":[{"asset":"USDT","amount":' + number + b"}]}"
    assert faults_of(raw)[0][0] == "/balances/0/amount"


@pytest.mark.parametrize(
    ("row", "pointer", "code"),
    [
        ({"contracts": -1}, "/contracts", "negative_size"),
        ({"side": None}, "/side", "missing_field"),
        ({"side": "LONG"}, "/side", "invalid_value"),
        ({"entryPrice": None}, "/entryPrice", "missing_field"),
        ({"entryPrice": 0}, "/entryPrice", "not_positive"),
        ({"leverage": 0}, "/leverage", "not_positive"),
        ({"contractSize": -1}, "/contractSize", "not_positive"),
        ({"markPrice": -1}, "/markPrice", "not_positive"),
        ({"marginMode": "isolated"}, "/margin", "missing_margin"),
        ({"contracts": None}, "/contracts", "not_a_number"),
        ({"symbol": None}, "/symbol", "wrong_type"),
        ({"symbol": ""}, "/symbol", "invalid_length"),
    ],
)
def test_a_bad_position_is_named(row: dict[str, Any], pointer: str, code: str) -> None:
    raw = account(positions=[LONG | {"symbol": "ETH/USDT:USDT"}, LONG | row])
    assert faults_of(raw)[0] == (f"/positions/1{pointer}", code)


def test_the_same_side_twice_is_refused_but_a_hedge_is_not() -> None:
    hedge = [LONG, LONG | {"side": "short"}, LONG | {"marginMode": "isolated", "margin": 1}]
    assert len(read(account(positions=hedge)).positions) == 3
    assert faults_of(account(positions=[LONG, LONG])) == [("/positions/1", "duplicate_position")]


def test_two_marks_for_one_symbol_contradict_each_other() -> None:
    rows = [LONG | {"markPrice": 1}, LONG | {"side": "short", "markPrice": 2}]
    assert faults_of(account(positions=rows)) == [("/positions/1/markPrice", "conflicting_mark")]


@pytest.mark.parametrize(
    ("lines", "good"),
    [
        ({}, True),
        ({"hysteresis": 0}, True),
        ({"hysteresis": 0.5}, False),
        ({"warning": 0.8}, False),
        ({"marginCall": 1}, False),
        ({"marginCall": 0.999}, True),
        ({"hysteresis": -0.01}, False),
    ],
)
def test_thresholds_stand_in_their_order(lines: dict[str, float], good: bool) -> None:
    raw = account(thresholds=lines)
    if good:
        assert isinstance(read(raw).thresholds, Thresholds)
    else:
        assert faults_of(raw) == [("/thresholds", "invalid_thresholds")]


def test_an_asset_is_listed_once() -> None:
    rows = [{"asset": "USDT", "amount": 1}, {"asset": "USDT", "amount": 2}]
    assert faults_of(account(balances=rows)) == [("/balances/1/asset", "duplicate_asset")]


def test_at_most_ten_faults_of_an_account_are_listed() -> None:
    rows = [LONG | {"symbol": f"S{n}", "contracts": -1} for n in range(50)]
    assert len(faults_of(account(positions=rows))) == 10


def test_no_fault_repeats_the_input() -> None:
    raw = account(venue="se`cret`", positions=[LONG | {"side": "se`$.cret`"}])
    with pytest.raises(InvalidInput) as caught:
        read(raw)
    assert "cret" not in caught.value.detail + repr(caught.value.faults)


@pytest.mark.parametrize("name", ["", "a" * 129, "a b", "a/b", "ä", "a\n", "a|b"])
def test_an_id_has_only_its_characters(name: str) -> None:
    with pytest.raises(InvalidInput):
        decode_named(account(id=name))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[",
        b"nope",
        b'{"a":NaN}',
        b'{"venue":"\\ud800"}',
        b'{"x":"\\udc00"}',
        b"{}x",
        b"[" * 100000,
        b'{"x":' + b"[" * 100000,
        b'{"a":' * 100000,
        b"\xef\xbb\xbf{}",
        b'{"venue":"\xff"}',
    ],
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    with pytest.raises((MalformedBody, InvalidInput)):
        decode_document(raw)


def test_what_is_stored_reads_back_the_same() -> None:
    rows = [
        LONG | {"leverage": 10, "markPrice": 5},
        LONG | {"side": "short", "collateral": 10, "unrealizedPnl": 3},
        {"symbol": "ETH/USDT:USDT", "contracts": 0},
    ]
    raw = account(
        venue="okx",
        marginMode="isolated",
        collateralMode="multi",
        balances=[{"asset": "BTC", "amount": 1, "weight": 0.95}],
        positions=rows,
        thresholds={"warning": 0.4},
    )
    stored = encode_document(decode_document(raw))
    assert decode_account(stored, "a1") == read(raw, own_marks=False)
    assert encode_document(decode_document(stored)) == stored
