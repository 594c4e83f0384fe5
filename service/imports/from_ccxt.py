"""Tables and markets straight from a venue, by ccxt (the extra `ccxt`), with or without keys.

Keys come from the environment or from files it names, go to ccxt alone, and are in no message.
ccxt blocks: every call is a thread's, one after the other, at the pace ccxt keeps for the venue.
"""

import asyncio
import importlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.errors import InvalidInput, StoreUnavailable
from service.imports.ccxt_tables import read_ccxt
from service.imports.conventions import VENUES_OF_CLASSES
from service.imports.listings import Json, is_future
from service.imports.records import Asked, Reading, Refusal

INSTALL = "ccxt is not installed: pip install 'plimsoll-risk[ccxt]'"
# ccxt's names of what a venue gives for reading: a key without the right to trade is enough.
VARIABLES = {
    "apiKey": "PLIMSOLL_VENUE_API_KEY",
    "secret": "PLIMSOLL_VENUE_SECRET",
    "password": "PLIMSOLL_VENUE_PASSWORD",
}
TIMEOUT_MS = 20_000

# Where ccxt's call for all symbols makes tables up; the one for a symbol asks the venue.
_ONE_BY_ONE = frozenset({"gate", "gateio"})
_QUERY = re.compile(r"\?\S+")


def exchange_of(name: str) -> Any:
    """Return ccxt's object of a venue; raises InvalidInput where there is none or no ccxt."""
    if name not in VENUES_OF_CLASSES:
        known = ", ".join(sorted(VENUES_OF_CLASSES))
        raise InvalidInput(f"no venue is imported by ccxt's class {name!r}; these are: {known}")
    try:
        ccxt = importlib.import_module("ccxt")
    except ImportError:
        raise InvalidInput(INSTALL) from None
    keep_ccxt_quiet()
    if not hasattr(ccxt, name):
        raise InvalidInput(f"ccxt {ccxt.__version__} has no class {name}")
    options = {"defaultType": "swap", "fetchMargins": False}
    exchange = getattr(ccxt, name)(
        {"timeout": TIMEOUT_MS, "options": options, **keys_of(os.environ)}
    )
    # Tiers need no list of coins, which Binance shows to keys with more rights only.
    exchange.has["fetchCurrencies"] = False
    return exchange


def keep_ccxt_quiet() -> None:
    """Let ccxt log no requests: at level debug it writes their headers, and our keys with them."""
    logging.getLogger("ccxt").setLevel(logging.WARNING)


def keys_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that the variables hold, or the files that their `_FILE` twins name."""
    found = {}
    for name, variable in VARIABLES.items():
        file = environment.get(f"{variable}_FILE")
        try:
            value = environment.get(variable) if file is None else Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"{variable}_FILE names no file that can be read") from None
        if value:
            found[name] = value
    return found


async def read_exchange(exchange: Any, asked: Asked) -> Reading:
    """Ask a venue for all its futures' tables; one that does not answer raises."""
    venue = asked.venue or VENUES_OF_CLASSES[exchange.id]
    try:
        markets: dict[str, Json] = await asyncio.to_thread(exchange.load_markets)
        wanted = [
            symbol
            for symbol, market in markets.items()
            if is_future(symbol) and asked.wants(symbol) and market.get("active") is not False
        ]
        tables, refusals = await _tables(exchange, venue, wanted)
    except Exception as error:  # ccxt's tree of errors is not there to be named
        raise StoreUnavailable(f"{exchange.id} by ccxt: {told(error)}") from None
    reading = read_ccxt(tables, markets, venue, asked)
    reading.refusals.extend(refusals)
    missing = len(wanted) - len(tables) - len(refusals)
    if missing:
        reading.remarks.append(f"{missing} of {len(wanted)} listed contracts came without a table")
    return reading


def told(error: Exception) -> str:
    """Say what went wrong in a line, without the query of an address: a signature can be in it."""
    words = _QUERY.sub("", str(error)).split("\n")[0][:300]
    return f"{type(error).__name__}: {words}"


async def _tables(
    exchange: Any, venue: str, symbols: list[str]
) -> tuple[dict[str, object], list[Refusal]]:
    """Return the tables by symbol, and which of them the venue did not give when asked singly."""
    if exchange.has.get("fetchLeverageTiers") and exchange.id not in _ONE_BY_ONE:
        found = await asyncio.to_thread(exchange.fetch_leverage_tiers)
        return {symbol: found[symbol] for symbol in symbols if symbol in found}, []
    if exchange.has.get("fetchMarketLeverageTiers") is not True:
        raise NotImplementedError("ccxt has no call for this venue's tiers")
    tables: dict[str, object] = {}
    refusals = []
    for symbol in symbols:
        try:
            tables[symbol] = await asyncio.to_thread(exchange.fetch_market_leverage_tiers, symbol)
        except Exception as error:  # as above; the others are still asked for
            refusals.append(Refusal(venue, symbol, "", "not_fetched", told(error)))
    return tables, refusals
