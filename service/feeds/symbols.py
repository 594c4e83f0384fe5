"""The names marks go by: unified symbols, of a tape's tickers and of a venue's contracts."""

import re
from typing import NamedTuple

from service.errors import InvalidInput

_QUOTES = ("USDT", "USDC", "USD")
_ASSET = re.compile(r"\A[^\s|/:\x00-\x1f\x7f]+\Z")
_SYMBOL_MAX = 64  # of the contract


class Listing(NamedTuple):
    """What a row is a mark of; `source` says who reported it, "" being the venue itself."""

    venue: str
    symbol: str
    source: str


def listing(venue: str, ticker: str) -> Listing:
    """Name a tape row's market.

    `binance,XUSDT` is the linear perpetual, `binance-delivery,XUSD_PERP` the inverse one;
    `coinbase,X-USD` and `gemini,XUSD` become marks of the generic `X/USD:USD` from that source.
    Raises InvalidInput for a venue or ticker this tape format does not have.
    """
    if venue == "binance":
        base, quote = _split(ticker)
        return Listing("binance", f"{base}/{quote}:{quote}", "")
    if venue == "binance-delivery" and ticker.endswith("_PERP"):
        base, quote = _split(ticker.removesuffix("_PERP"))
        return Listing("binance", f"{base}/{quote}:{base}", "")
    if venue in ("coinbase", "gemini"):
        base, quote = _split(ticker.replace("-", ""))
        return Listing("generic", f"{base}/{quote}:{quote}", venue)
    raise InvalidInput(f"a tape has no venue {venue!r} with a ticker like {ticker!r}")


def _split(ticker: str) -> tuple[str, str]:
    for quote in _QUOTES:
        if ticker.endswith(quote) and len(ticker) > len(quote):
            return ticker.removesuffix(quote), quote
    raise InvalidInput(f"the ticker {ticker!r} does not end in one of {', '.join(_QUOTES)}")


def perpetual(base: str, quote: str, settle: str) -> str | None:
    """Return ccxt's unified symbol of a perpetual contract; None where it has no exact name.

    It is linear when it settles in its quote, inverse when in its base; what settles in a third
    asset (a quanto contract) is neither.
    """
    base, quote, settle = base.upper(), quote.upper(), settle.upper()
    exact = settle in (base, quote) and base != quote
    if not exact or not all(map(_ASSET.search, (base, quote, settle))):
        return None
    symbol = f"{base}/{quote}:{settle}"
    return symbol if len(symbol) <= _SYMBOL_MAX else None
