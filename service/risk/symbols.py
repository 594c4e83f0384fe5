"""What unified symbols say: which assets a contract names, which symbols price an asset in USD.

And whose word on a symbol counts.
"""

from service.risk.model import GENERIC_VENUE, USD

STABLE_QUOTES = ("USDT", "USDC")


def settle_of(symbol: str) -> str:
    """Return the settle asset of a unified symbol: BTC/USDT:USDT -> USDT, BTC/USD -> USD."""
    pair, _, settle = symbol.partition(":")
    return settle or pair.partition("/")[2] or pair


def base_of(symbol: str) -> str:
    """Return the base asset that a unified symbol names: BTC/USDT:USDT -> BTC."""
    return symbol.partition("/")[0]


def direct(asset: str) -> tuple[str, ...]:
    """Return the symbols whose price is the asset's in USD, the best first."""
    return (f"{asset}/{USD}", f"{asset}/{USD}:{asset}")


def quoted(asset: str) -> tuple[str, ...]:
    """Return the symbols whose price is the asset's in a stablecoin."""
    return tuple(f"{asset}/{quote}:{quote}" for quote in STABLE_QUOTES if quote != asset)


def sources(asset: str) -> tuple[str, ...]:
    """Return every symbol that an asset's price in USD may follow."""
    quotes = [name for quote in STABLE_QUOTES if quote != asset for name in direct(quote)]
    return (*direct(asset), *quoted(asset), *quotes)


def lookups(venue: str, symbol: str) -> tuple[tuple[str, str], ...]:
    """Return where an account of a venue finds a symbol's terms and mark, the best first."""
    return ((venue, symbol), (GENERIC_VENUE, symbol))
