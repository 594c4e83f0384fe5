"""The names clients give: what an account id, a symbol, an asset and a venue may look like."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

# Python's `$` also matches before a last newline; the look-ahead makes it the very end.
_END = r"$(?!\n)"

AccountId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._:@-]{1,128}" + _END,
        description="1 to 128 of `A-Z a-z 0-9 . _ : @ -`, unique within a tenant.",
        examples=["desk-7:alice"],
    ),
]
Symbol: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[^\s|\x00-\x1f\x7f]{1,64}" + _END,
        description="ccxt's unified symbol.",
        examples=["BTC/USDT:USDT"],
    ),
]
Asset: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[^\s|\x00-\x1f\x7f]{1,32}" + _END,
        description="A currency code.",
        examples=["USDT"],
    ),
]
Source: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[^\s|\x00-\x1f\x7f]{0,64}" + _END,
        description="Who reports; each source of a symbol has an order of its own.",
        examples=["coinbase"],
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
