"""The names clients give: what an account id, a symbol, an asset and a venue may look like."""

import re
from typing import Annotated, Literal, TypeAlias, cast, get_args

from msgspec import Meta

from service.errors import Fault, InvalidInput

# Python's `$` also matches before a last newline; the look-ahead makes it the very end.
_END = r"$(?!\n)"


def _word(shortest: int, longest: int) -> str:
    """Return the rule of a name without blanks, control characters and bars."""
    return rf"^[^\s|\x00-\x1f\x7f]{{{shortest},{longest}}}{_END}"


def _named(pattern: str, description: str, example: str) -> Meta:
    return Meta(pattern=pattern, description=description, examples=[example])


ACCOUNT_ID_PATTERN = r"^[A-Za-z0-9._:@-]{1,128}" + _END

AccountId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=ACCOUNT_ID_PATTERN,
        description="1 to 128 of `A-Z a-z 0-9 . _ : @ -`, unique within a tenant.",
        examples=["desk-7:alice"],
    ),
]
SYMBOL_PATTERN, ASSET_PATTERN = _word(1, 64), _word(1, 32)
Symbol: TypeAlias = Annotated[
    str, _named(SYMBOL_PATTERN, "ccxt's unified symbol.", "BTC/USDT:USDT")
]
Asset: TypeAlias = Annotated[str, _named(ASSET_PATTERN, "A currency code.", "USDT")]
Source: TypeAlias = Annotated[
    str,
    _named(
        _word(0, 64), "Who reports; each source of a symbol has an order of its own.", "coinbase"
    ),
]
Venue: TypeAlias = Literal[
    "generic",
    "binance",
    "okx",
    "bybit",
    "bybit-classic",
    "hyperliquid",
    "dydx",
    "gate",
    "htx",
    "kucoin",
    "bitmex",
    "mexc",
    "krakenfutures",
    "deribit",
    "drift",
    "bitget",
    "phemex",
    "delta",
    "edgex",
]

VENUES: tuple[str, ...] = get_args(Venue)


def check_venue(name: str) -> Venue:
    """Return a venue that stands in a path; raises InvalidInput when there is no such."""
    if name not in VENUES:
        raise InvalidInput.of(Fault("", "unknown_venue", "this venue is not known"))
    return cast("Venue", name)


def check_asset(name: str) -> str:
    """Return an asset that stands in a path; raises InvalidInput when it cannot be one."""
    return _check(name, ASSET_PATTERN, "an asset is 1 to 32 characters without blanks and bars")


def check_symbol(name: str) -> str:
    """Return a symbol that stands in a path; raises InvalidInput when it cannot be one."""
    return _check(name, SYMBOL_PATTERN, "a symbol is 1 to 64 characters without blanks and bars")


def check_account_id(name: str, pointer: str = "") -> str:
    """Return an id that stands in a path, or part of one; raises InvalidInput when it cannot."""
    detail = "an account id is 1 to 128 of A-Z a-z 0-9 . _ : @ -"
    return _check(name, ACCOUNT_ID_PATTERN, detail, pointer)


def _check(name: str, pattern: str, detail: str, pointer: str = "") -> str:
    if re.search(pattern, name) is None:
        raise InvalidInput.of(Fault(pointer, "invalid_name", detail))
    return name
