"""Tickers of the tape's exchanges -> (venue, unified symbol, source), the names marks go by."""

from typing import NamedTuple

from service.errors import InvalidInput

_QUOTES = ("USDT", "USDC", "USD")


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
