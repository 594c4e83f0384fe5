"""What a contract is, apart from its tiers: from ccxt's `load_markets`, or from its symbol."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from service.imports.conventions import contract_size_of

Json = Mapping[str, object]

# BASE/QUOTE:SETTLE; a future that ends has -YYMMDD after it, an option more than that.
_SYMBOL = re.compile(r"^([^/:\s]+)/([^/:\s]+):([^/:\s-]+)(?:-\d{6})?$")


@dataclass(frozen=True, slots=True)
class Listing:
    """A contract's terms. `lot`: the smallest step of a size, in contracts."""

    symbol: str
    base: str
    quote: str
    settle: str
    linear: bool
    contract_size: float
    lot: float = 1.0


class NotImported(Exception):
    """Why a symbol cannot be imported: its place, a stable code, a sentence."""

    def __init__(self, place: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.place, self.code, self.detail = place, code, detail


def is_future(symbol: str) -> bool:
    """Whether ccxt's symbol is a future's, perpetual or with an end: margined by these rules."""
    return _SYMBOL.match(symbol) is not None


def listing_of(venue: str, symbol: str, market: Json | None) -> Listing:
    """Return the terms of a future; raises NotImported where they would be a guess."""
    match = _SYMBOL.match(symbol)
    if match is None:
        raise NotImported(
            "symbol", "unknown_symbol", "not a future's; give the markets (--markets)"
        )
    base, quote, settle = match.groups()
    said = market or {}
    linear = _kind(settle, base, quote, said)
    size = _number(said.get("contractSize")) or contract_size_of(venue, linear=linear)
    if size is None:
        raise NotImported(
            "contractSize", "contract_size_unknown", "give the markets (--markets): it is in them"
        )
    precision = said.get("precision")
    step = _number(precision.get("amount")) if isinstance(precision, Mapping) else None
    return Listing(symbol, base, quote, settle, linear, size, step or 1.0)


def _kind(settle: str, base: str, quote: str, said: Json) -> bool:
    if said.get("linear") is True or said.get("inverse") is True:
        linear = said.get("linear") is True
    elif settle in (quote, base):
        linear = settle == quote
    else:
        raise NotImported("settle", "kind_unknown", "neither linear nor inverse by its symbol")
    if not linear and settle != base:
        raise NotImported("settle", "quanto", "settled in neither its base nor its quote")
    return linear


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0.0 else None
