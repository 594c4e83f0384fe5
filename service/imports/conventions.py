"""What each venue means by a number of its tier tables, as ccxt hands them on.

ccxt calls every size `minNotional` and `maxNotional`. On most venues they are money in the settle
asset (the coin itself on inverse contracts), on some a count of contracts. A venue that is not
here is refused until the operator says the unit: a wrong one is wrong by the price.
"""

from collections.abc import Mapping

from service.contract.names import Venue
from service.risk.model import TierUnit

# ccxt's class, or part of the name of a file's venue -> the service's venue.
VENUES_OF_CLASSES: dict[str, Venue] = {
    "binance": "binance",
    "binanceusdm": "binance",
    "binancecoinm": "binance",
    "bitget": "bitget",
    "bybit": "bybit",
    "gate": "gate",
    "gateio": "gate",
    "htx": "htx",
    "huobi": "htx",
    "hyperliquid": "hyperliquid",
    "krakenfutures": "krakenfutures",
    "kucoinfutures": "kucoin",
    "mexc": "mexc",
    "okx": "okx",
    "phemex": "phemex",
}

# (linear, inverse); None: not known to be either, so refused.
_UNITS: dict[str, tuple[TierUnit | None, TierUnit | None]] = {
    "binance": ("notional", "notional"),  # COIN-M: qtyFloor and qtyCap, in the coin
    "bitget": ("notional", None),
    "bybit": ("notional", "notional"),  # inverse: in the coin
    "bybit-classic": ("notional", "notional"),
    "gate": ("notional", None),
    "htx": ("contracts", "contracts"),
    "krakenfutures": ("notional", "contracts"),  # numNonContractUnits, contracts
    "mexc": ("contracts", "contracts"),
    "okx": ("contracts", "contracts"),  # minSz and maxSz
}

# Venues whose linear contracts are one coin each, so that a table alone says enough.
_ONE_COIN_A_CONTRACT = frozenset({"binance", "bybit", "bybit-classic", "bitget", "hyperliquid"})

# Where ccxt leaves the deduction: only in `info`, under each venue's own name.
_DEDUCTIONS = {
    "binance": "cum",
    "bybit": "mmDeduction",
    "bybit-classic": "mmDeduction",
    "gate": "deduction",
}


def unit_of(venue: str, *, linear: bool) -> TierUnit | None:
    """Return what the sizes of a venue's tables count; None: it is not known."""
    units = _UNITS.get(venue, (None, None))
    return units[0] if linear else units[1]


def contract_size_of(venue: str, *, linear: bool) -> float | None:
    """Return the size that all contracts of this kind have on the venue, if they have one."""
    return 1.0 if linear and venue in _ONE_COIN_A_CONTRACT else None


def deduction_of(venue: str, info: Mapping[str, object]) -> object:
    """Return what the venue takes off a tier's requirement; None where it says nothing."""
    said = info.get(_DEDUCTIONS.get(venue, ""))
    return None if said == "" else said  # bybit's first tier has an empty text
