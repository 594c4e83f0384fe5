"""Binance's own answer of `leverageBracket`, USD-M (`notionalFloor`) and COIN-M (`qtyFloor`).

A list of `{"symbol", "brackets": [{"bracket", "initialLeverage", "notionalCap", "notionalFloor",
"maintMarginRatio", "cum"}]}`. Its symbols are Binance's; the markets translate them (by `id`), or
their spelling does. COIN-M sizes are in the coin, and its contract sizes are in the markets only.
"""

import re
from collections.abc import Mapping, Sequence

from service.imports.listings import Json, NotImported, is_future, listing_of
from service.imports.records import Asked, Reading, Refusal
from service.imports.tables import Row, add_table

VENUE = "binance"

_SPELLINGS = (
    (re.compile(r"^(\w+)USD_PERP$"), r"\1/USD:\1"),
    (re.compile(r"^(\w+)USD_(\d{6})$"), r"\1/USD:\1-\2"),
    (re.compile(r"^(\w+?)(USDT|USDC|BUSD|FDUSD|USD1|BTC)$"), r"\1/\2:\2"),
    (re.compile(r"^(\w+?)(USDT|USDC|BUSD|FDUSD)_(\d{6})$"), r"\1/\2:\2-\3"),
)


def read_brackets(answer: Sequence[object], markets: Json, asked: Asked) -> Reading:
    """Read all tables of the answer."""
    reading = Reading()
    by_id = _by_id(markets)
    for item in answer:
        said: Json = item if isinstance(item, Mapping) else {}
        name = str(said.get("symbol", ""))
        market = by_id.get(name, {})
        symbol = str(market.get("symbol") or _spelled(name))
        if not asked.wants(symbol):
            continue
        try:
            listing = listing_of(VENUE, symbol, market)
            rows = _rows(said.get("brackets"))
        except NotImported as why:
            reading.refusals.append(Refusal(VENUE, symbol or name, why.place, why.code, why.detail))
            continue
        add_table(reading, VENUE, listing, rows, asked)
    return reading


def _by_id(markets: Json) -> dict[str, Json]:
    """Return the futures by Binance's own names; spot pairs have the same ones."""
    return {
        str(market.get("id")): market
        for symbol, market in markets.items()
        if isinstance(market, Mapping) and is_future(symbol)
    }


def _spelled(name: str) -> str:
    for pattern, symbol in _SPELLINGS:
        if pattern.match(name):
            return pattern.sub(symbol, name)
    return name


def _rows(brackets: object) -> list[Row]:
    if not isinstance(brackets, Sequence) or isinstance(brackets, str):
        raise NotImported("brackets", "wrong_type", "not a list of brackets")
    rows: list[Row] = []
    for place, bracket in enumerate(brackets, 1):
        if not isinstance(bracket, Mapping):
            raise NotImported(f"tier {place}", "wrong_type", "not an object")
        rows.append(
            {
                "minNotional": bracket.get("notionalFloor", bracket.get("qtyFloor")),
                "maxNotional": bracket.get("notionalCap", bracket.get("qtyCap")),
                "maintenanceMarginRate": bracket.get("maintMarginRatio"),
                "maxLeverage": bracket.get("initialLeverage"),
                "maintenanceAmount": bracket.get("cum"),
            }
        )
    return rows
