"""What is read as columns is what is read as records; what is wrong or not plain is left alone."""

import random
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    NamedAccountDocument,
    document_faults,
)
from service.contract.evaluate_request import decode_request
from service.contract.plain_request import PlainRequest, read_plain
from service.contract.positions import PositionDocument
from service.contract.stated import state
from service.errors import ServiceError
from service.text.scanned import ACCOUNT_KEYS, BALANCE_KEYS, KEYS_OF_OTHERS, POSITION_KEYS
from tests.contract.test_stated import check_same, documents
from tests.strategies import effort

MANY = 1_000
POSITION = {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 1, "entryPrice": 2.5}
ACCOUNT = {"id": "a", "balances": [{"asset": "USDT", "amount": 1}], "positions": [POSITION]}


def body(*accounts: Any, **more: Any) -> bytes:
    return orjson.dumps({"accounts": accounts} | more)


def plain(raw: bytes) -> PlainRequest | None:
    return read_plain(raw, MANY, MANY)


def check(raw: bytes) -> bool:
    """Compare both ways to read a call; return whether it is plain."""
    ours = plain(raw)
    if ours is None:
        return False
    request, places, faults = decode_request(raw, MANY)
    assert not faults
    many, marked = request.accounts, request.marks or ()
    assert places == list(range(ours.accounts))
    assert not any(document_faults(document, marked=marked) for document in many)
    names = [document.id for document in many]
    assert len(set(names)) == len(names)
    places_of_ids = zip(ours.starts.tolist(), ours.ends.tolist(), strict=True)
    assert [ours.letters[start:end].decode() for start, end in places_of_ids] == names
    check_same(ours.given, state(many, marked).statements)
    assert ours.positions == sum(len(document.positions or ()) for document in many)
    assert ours.question.marks == request.marks
    return True


def written(document: AccountDocument, name: int, layout: int) -> bytes:
    """Return an account as some client writes it: with nulls, with blanks, its keys in disorder."""
    fields = msgspec.to_builtins(document)
    fields["id"] = f"a{name}"
    if layout & 1:
        fields |= {"info": {"a": [1, {"b": '"}]'}]}, "margin": None, "venue": None}
    for row in fields.get("positions") or ():
        if layout & 2:
            row["contracts"] = str(row["contracts"])
            row["id"] = None
    items = sorted(fields.items(), reverse=bool(layout & 4))
    return orjson.dumps(dict(items), option=orjson.OPT_INDENT_2 if layout & 8 else None)


@effort(150, 5_000)
@given(st.lists(documents(), min_size=1, max_size=4), st.integers(0, 15), st.booleans())
def test_it_is_what_is_read_as_records(
    many: list[AccountDocument], layout: int, marked: bool
) -> None:
    accounts = [written(document, index, layout) for index, document in enumerate(many)]
    marks = b',"marks":{"BTC/USDT:USDT":5}' if marked else b""
    check(b'{"accounts":[' + b", ".join(accounts) + b"]" + marks + b"}")


@effort(300, 20_000)
@given(st.integers(0, 2**32))
def test_whatever_is_broken_is_left_alone_or_read_the_same(seed: int) -> None:
    source = random.Random(seed)
    raw = bytearray(body(ACCOUNT, ACCOUNT | {"id": "b", "venue": "okx", "marginMode": "cross"}))
    for _ in range(source.randrange(1, 4)):
        place = source.randrange(len(raw))
        some = bytes(source.choices(b'{}[]",:0123456789.-+eE \\\nnul\x00\x1f\xc3tafs', k=2))
        raw[place : place + source.randrange(3)] = some[: source.randrange(3)]
    try:
        check(bytes(raw))
    except ServiceError as error:
        pytest.fail(f"{bytes(raw)!r} is refused as records: {error}")


@effort(200, 20_000)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**70), st.booleans())
def test_a_number_is_the_nearest_there_is(value: float, quoted: bool) -> None:
    told = repr(value)
    balance = {"asset": "USDT", "amount": orjson.Fragment(f'"{told}"' if quoted else told)}
    ours = plain(body(ACCOUNT | {"balances": [balance]}))
    assert ours is None or ours.given.amount.tolist() == [float(told)]


@pytest.mark.parametrize(
    "account",
    [
        ACCOUNT,
        ACCOUNT | {"thresholds": None, "info": [{"x": 1}], "venue": "binance"},
        ACCOUNT | {"positions": [POSITION, POSITION | {"side": "short"}]},
        ACCOUNT | {"positions": [POSITION | {"contracts": 0, "side": None}]},
        {"id": "a"},
    ],
)
def test_what_most_ask_is_plain(account: dict[str, Any]) -> None:
    assert check(body(account))
    assert check(body(account, marks={"BTC/USDT:USDT": 3}))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"accounts":{}}',
        body(),
        body(ACCOUNT, ACCOUNT),  # one id twice
        body(ACCOUNT | {"id": "a b"}),
        body(ACCOUNT | {"id": "\u00e4"}),
        body(ACCOUNT | {"thresholds": {"warning": 0.3}}),
        body(ACCOUNT | {"positions": [POSITION, POSITION]}),
        body(ACCOUNT | {"positions": [POSITION | {"side": None}]}),
        body(ACCOUNT | {"positions": [POSITION | {"contracts": -1}]}),
        body(ACCOUNT | {"positions": [POSITION | {"entryPrice": 0}]}),
        body(ACCOUNT | {"positions": [POSITION | {"marginMode": "isolated"}]}),
        body(ACCOUNT | {"balances": [{"asset": "a|b", "amount": 1}]}),
        body(ACCOUNT | {"balances": [{"asset": "B", "amount": 1}] * 2}),
        body(ACCOUNT | {"balances": [{"asset": "B", "amount": 1, "weight": 1.5}]}),
        body(ACCOUNT, findings=True),
        body(*[{"id": f"a{index}"} for index in range(MANY + 1)]),
        body(ACCOUNT | {"positions": [POSITION | {"contracts": 0}] * (MANY + 1)}),
        body(ACCOUNT).replace(b'"contracts":1', b'"contracts":1e999'),
        body(ACCOUNT).replace(b'"contracts":1', b'"contracts":01'),
        body(ACCOUNT).replace(b'"contracts":1', b'"contracts":1,"contracts":2'),
    ],
)
def test_what_is_wrong_or_more_is_not(raw: bytes) -> None:
    assert plain(raw) is None


def test_the_keys_are_those_of_the_contract() -> None:
    def keys(kind: type[msgspec.Struct]) -> set[str]:
        return {field.encode_name for field in msgspec.structs.fields(kind)}

    assert keys(PositionDocument) == set(POSITION_KEYS)
    assert keys(BalanceDocument) == set(BALANCE_KEYS)
    assert keys(NamedAccountDocument) == {*ACCOUNT_KEYS, *KEYS_OF_OTHERS}
