"""The calls of who looks at a book, as data: accounts, scenarios, maps, funds, markets."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from plimsoll.answers import RankedAccounts
from plimsoll.book import Book, LiquidationMap
from plimsoll.calls import Anything, Call, given, if_match, json_call
from plimsoll.decoding import decode
from plimsoll.documents import Level, Quality, Venue
from plimsoll.funds import Fund, FundList, StoredFund, WrittenFund
from plimsoll.markets import Condition, Markets
from plimsoll.scenarios import MapRequest, MonitoredRequest, SimulateRequest
from plimsoll.simulation import Simulation

_SIMULATE = "/v1/simulate"


def list_accounts(
    level: Level, limit: int | None, cursor: str | None, match: str | None, counts: bool
) -> Call[RankedAccounts]:
    counted = "true" if counts else None
    query = given(level=level, limit=limit, cursor=cursor, match=match, counts=counted)
    return Call("GET", "/v1/accounts", lambda answer: decode(RankedAccounts, answer), query)


def simulate(request: SimulateRequest | Anything) -> Call[Simulation]:
    return json_call("POST", _SIMULATE, request, lambda answer: decode(Simulation, answer))


def simulate_monitored(request: MonitoredRequest | Anything) -> Call[Simulation | Book]:
    def read(answer: Any) -> Simulation | Book:
        by_sums = isinstance(answer, dict) and "settledBy" in answer
        return decode(Book, answer) if by_sums else decode(Simulation, answer)

    return json_call("POST", _SIMULATE, {**request, "accounts": "monitored"}, read)


def map_liquidations(request: MapRequest | Anything) -> Call[LiquidationMap]:
    return json_call("POST", _SIMULATE, request, lambda answer: decode(LiquidationMap, answer))


def put_fund(
    venue: Venue, asset: str, fund: Fund | Anything, if_version: int | None
) -> Call[WrittenFund]:
    def read(answer: object) -> WrittenFund:
        return decode(WrittenFund, answer)

    headers, repeatable = if_match(if_version), if_version is None
    return json_call("PUT", _fund(venue, asset), fund, read, headers, repeatable=repeatable)


def get_fund(venue: Venue, asset: str) -> Call[StoredFund]:
    return Call("GET", _fund(venue, asset), lambda answer: decode(StoredFund, answer))


def list_funds() -> Call[Sequence[StoredFund]]:
    return Call("GET", "/v1/funds", lambda answer: decode(FundList, answer).funds)


def get_markets(
    venue: Venue | None,
    symbol: str | None,
    quality: Quality | None,
    condition: Condition | None,
) -> Call[Markets]:
    query = given(venue=venue, symbol=symbol, quality=quality, condition=condition)
    return Call("GET", "/v1/markets", lambda answer: decode(Markets, answer), query)


def _fund(venue: str, asset: str) -> str:
    return f"/v1/funds/{quote(venue, safe='')}/{quote(asset, safe='')}"
