"""What hostile or broken clients send: bodies, types and names to be refused with a reason."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.api.workers import account, instrument, long

BTC = "BTC/USDT:USDT"


@dataclass(frozen=True, slots=True)
class Attack:
    """One request; `status` is the answer it deserves, `code` the problem's.

    What is no JSON may as well be refused for what it begins with (`or_invalid`).
    """

    name: str
    path: str
    body: bytes
    status: int = 422
    code: str = "invalid_input"
    method: str = "POST"
    media_type: str | None = "application/json"
    encoding: str | None = None
    or_invalid: bool = False

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.media_type is None else {"content-type": self.media_type}
        return headers if self.encoding is None else headers | {"content-encoding": self.encoding}


def evaluate(*accounts: Any, **more: Any) -> bytes:
    named = [{"id": f"a{index}"} | one for index, one in enumerate(accounts)]
    return json.dumps({"accounts": named, "instruments": [instrument()]} | more).encode()


def with_number(number: bytes) -> bytes:
    """Return an evaluate body in which a position has `number` contracts."""
    return evaluate(account(long(contracts="HERE"))).replace(b'"HERE"', number)


NUMBERS = {
    "1e999": b"1e999",
    "minus 1e999": b"-1e999",
    "ten to the 400": b"1" + b"0" * 400,
    "NaN in quotes": b'"NaN"',
    "infinity in quotes": b'"Infinity"',
    "1e999 in quotes": b'"1e999"',
    "a long exponent": b'"1e' + b"9" * 5_000 + b'"',
    "a long number": b"9" * 100_000,
    "true": b"true",
    "null": b"null",
    "a list": b"[1]",
    "an object": b"{}",
    "words": b'"many"',
    "negative": b"-1",
    "a lone minus": b'"-"',
    "underscores": b'"1_000"',
    "hexadecimal": b'"0x10"',
    "other digits": '"\u0661"'.encode(),
}
NO_JSON = {
    "NaN": with_number(b"NaN"),
    "Infinity": with_number(b"-Infinity"),
    "nothing": b"",
    "spaces": b" " * 1_000,
    "half": evaluate(account(long()))[:-1],
    "a tail": evaluate(account(long())) + b"x",
    "brackets": b"[" * 100_000,
    "brackets in an unknown key": b'{"x":' + b"[" * 100_000,
    "braces": b'{"accounts":' * 50_000,
    "brackets closed": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"accounts":[]}',
    "a lone surrogate": with_number(b'"\\ud800"'),
    "a lone surrogate in a name": b'{"accounts":[{"id":"\\udc00"}]}',
    "a lone surrogate in an unknown key": b'{"accounts":[{"id":"a","x":"\\ud800 "}]}',
    "bytes that are no UTF-8": b'{"accounts":[{"id":"a","x":"\xff\xfe"}]}',
    "an encoded surrogate": b'{"accounts":[{"id":"\xed\xa0\x80"}]}',
    "a byte order mark": b"\xef\xbb\xbf" + evaluate(account(long())),
    "UTF-16": evaluate(account(long())).decode().encode("utf-16"),
    "a control character": b'{"accounts":[{"id":"a\x00"}]}',
}


def attacks() -> list[Attack]:
    """Return every attack but the largest ones."""
    return [*_on_evaluate(), *_on_others(), *_on_doors()]


def _on_evaluate() -> Iterator[Attack]:
    path = "/v1/evaluate"
    for name, number in NUMBERS.items():
        yield Attack(f"contracts: {name}", path, with_number(number))
        mark = evaluate(account(long()), marks={BTC: "HERE"}).replace(b'"HERE"', number)
        yield Attack(f"mark: {name}", path, mark)
    for name, body in NO_JSON.items():
        yield Attack(name, path, body, 400, "malformed_body", or_invalid=True)
    for name, body in {
        "one id twice": evaluate({"id": "x"}, {"id": "x"}),
        "an unknown symbol": evaluate(account(long("NO/USDT:USDT"))),
        "an unknown venue": evaluate(account(venue="nasdaq")),
        "an empty id": evaluate(account(id="")),
        "a long id": evaluate(account(id="a" * 1_000_000)),
        "a long symbol": evaluate(account(long("A" * 1_000_000))),
        "a negative size": evaluate(account(long(contracts=-1))),
        "a position twice": evaluate(account(long(), long())),
        "no side": evaluate(account(long(side=None))),
        "overflow": evaluate(account(long(contracts=1e308)), marks={BTC: 1e308}),
        "a gap": evaluate(account(long()), instruments=[instrument(tiers=GAP)]),
        "accounts are a number": b'{"accounts":1}',
        "a list": b"[]",
        "a text": b'"accounts"',
        "null": b"null",
        "ten thousand bad accounts": evaluate(*[account(venue="nasdaq")] * 10_000),
        "ten thousand bad positions": evaluate(account(*[long(contracts=-1)] * 10_000)),
    }.items():
        yield Attack(name, path, body)


def _on_others() -> Iterator[Attack]:
    yield Attack("tiers with a gap", "/v1/instruments", _tiers(GAP), method="PUT")
    yield Attack("tiers that overlap", "/v1/instruments", _tiers(OVERLAP), method="PUT")
    yield Attack("tiers that fall", "/v1/instruments", _tiers(FALLING), method="PUT")
    yield Attack("a table of nothing", "/v1/instruments", _tiers([]), method="PUT")
    yield Attack("too many tiers", "/v1/instruments", _tiers(GAP * 1_000), method="PUT")
    for name, number in NUMBERS.items():
        mark = b'{"marks":[{"symbol":"A","markPrice":' + number + b"}]}"
        yield Attack(f"a mark of {name}", "/v1/marks", mark)
        balance = b'{"balances":[{"asset":"USDT","amount":' + number + b"}]}"
        if name != "negative":
            yield Attack(f"a balance of {name}", "/v1/accounts/a1", balance, method="PUT")
    for name, body in NO_JSON.items():
        for path in ("/v1/marks", "/v1/accounts:batch", "/v1/accounts/a1/adjust"):
            attack = f"{path}: {name}"
            yield Attack(attack, path, body, 400, "malformed_body", or_invalid=True)
    twice = json.dumps([account(id="x")] * 2).encode()
    yield Attack("a batch with one id twice", "/v1/accounts:batch", twice)
    yield Attack("an unlisted symbol", "/v1/accounts/a1", _one(long("NO")), method="PUT")


def _on_doors() -> Iterator[Attack]:
    body, path = evaluate(account(long())), "/v1/evaluate"
    refused: dict[str, Any] = {"status": 415, "code": "unsupported_media_type"}
    for media_type in (
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/x-ndjson",
        "application/json/json",
    ):
        yield Attack(f"as {media_type}", path, body, **refused, media_type=media_type)
    for encoding in ("gzip", "br", "zstd", "deflate", "identity, gzip"):
        yield Attack(f"in {encoding}", path, body, **refused, encoding=encoding)
    yield Attack("a wrong method", path, body, 405, "method_not_allowed", method="PUT")
    yield Attack("a wrong path", "/v1/evaluate/", body, 404, "not_found")
    yield Attack("a strange id", "/v1/accounts/a%20b", b"{}", method="PUT")


def largest() -> Iterator[Attack]:
    """Yield the attacks that are large, made one at a time."""
    path = "/v1/evaluate"
    large: dict[str, Any] = {"status": 413, "code": "body_too_large"}
    many: dict[str, Any] = {"status": 413, "code": "too_many_items"}
    yield Attack("20 MiB of spaces", path, b" " * (20 * 2**20), **large)
    yield Attack("20 MiB in one text", path, b'{"x":"' + b"x" * (20 * 2**20) + b'"}', **large)
    rows = [long(f"S{index}/USDT:USDT") for index in range(2_000)]
    holder = account(*rows)
    positions = evaluate(*[holder] * 60, instruments=[])
    yield Attack("120,000 positions", path, positions, **many)
    row = b'{"symbol":"A","contracts":1}'
    lean = b'{"accounts":[{"id":"a","positions":[' + b",".join([row] * 200_000) + b"]}]}"
    yield Attack("200,000 positions", path, lean, **many)
    yield Attack("a million ids", path, b'{"accounts":[' + _listed(b'{"id":"a"}'), **many)
    yield Attack("a million nothings", path, b'{"accounts":[' + _listed(b"{}"), **many)
    yield Attack("a million zeros", path, b'{"accounts":[' + _listed(b"0"), 422)
    yield Attack("a million marks", "/v1/marks", b'{"marks":[' + _listed(b"{}"), **many)
    lists = b"[" + _listed(b"{}")[:-1]
    yield Attack("a million accounts", "/v1/accounts:batch", lists, **many)
    ndjson: dict[str, Any] = {"status": 422, "media_type": "application/x-ndjson"}
    yield Attack("100,000 bad lines", "/v1/accounts:batch", b"{}\n" * 100_000, **ndjson)
    yield Attack("a line of 20 MiB", "/v1/accounts:batch", b"x" * (20 * 2**20), **ndjson)


def _listed(item: bytes) -> bytes:
    return b",".join([item] * 1_000_000) + b"]}"


def _tiers(tiers: list[dict[str, Any]]) -> bytes:
    return json.dumps([instrument(tiers=tiers)]).encode()


def _one(*positions: dict[str, Any]) -> bytes:
    return json.dumps(account(*positions)).encode()


def _tier(low: float, high: float, rate: float) -> dict[str, Any]:
    return {"minNotional": low, "maxNotional": high, "maintenanceMarginRate": rate}


GAP = [_tier(0, 10, 0.01), _tier(20, 30, 0.02)]
OVERLAP = [_tier(0, 10, 0.01), _tier(5, 30, 0.02)]
FALLING = [_tier(0, 10, 0.02), _tier(10, 30, 0.01)]
