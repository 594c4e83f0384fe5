"""The names clients give: what an account id, a symbol, an asset and a venue may look like."""

import re
from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta

from service.errors import Fault, InvalidInput

# Python's `$` also matches before a last newline; the look-ahead makes it the very end.
_END = r"$(?!\n)"


def _word(shortest: int, longest: int, description: str, example: str) -> Meta:
    """Return the rule of a name without blanks, control characters and bars."""
    pattern = rf"^[^\s|\x00-\x1f\x7f]{{{shortest},{longest}}}{_END}"
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
Symbol: TypeAlias = Annotated[str, _word(1, 64, "ccxt's unified symbol.", "BTC/USDT:USDT")]
Asset: TypeAlias = Annotated[str, _word(1, 32, "A currency code.", "USDT")]
Source: TypeAlias = Annotated[
    str,
    _word(0, 64, "Who reports; each source of a symbol has an order of its own.", "coinbase"),
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


def check_account_id(name: str) -> str:
    """Return an id that stands in a path; raises InvalidInput when it cannot be one."""
    if re.search(ACCOUNT_ID_PATTERN, name) is None:
        detail = "an account id is 1 to 128 of A-Z a-z 0-9 . _ : @ -"
        raise InvalidInput.of(Fault("", "invalid_name", detail))
    return name
