"""Tier tables as ccxt's `fetch_leverage_tiers` gives them, and freqtrade's file keeps them.

A mapping of symbols to tiers: `{"tier", "minNotional", "maxNotional", "maintenanceMarginRate",
"maxLeverage", "info"}`. What the venue takes off (`cum` and its like) is only in `info`.
"""

from collections.abc import Mapping, Sequence

from service.imports.conventions import deduction_of
from service.imports.listings import Json, NotImported, is_future, listing_of
from service.imports.records import Asked, Reading, Refusal
from service.imports.tables import Row, add_table

_NUMBERS = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")


def read_ccxt(tables: Json, markets: Json, venue: str, asked: Asked) -> Reading:
    """Read all tables; spot pairs and options are passed over and counted."""
    reading = Reading()
    passed_over = 0
    for symbol, tiers in tables.items():
        if not asked.wants(symbol):
            continue
        if not is_future(symbol):
            passed_over += 1
            continue
        try:
            market = markets.get(symbol)
            listing = listing_of(venue, symbol, market if isinstance(market, Mapping) else None)
            rows = _rows(tiers, venue)
        except NotImported as why:
            reading.refusals.append(Refusal(venue, symbol, why.place, why.code, why.detail))
            continue
        add_table(reading, venue, listing, rows, asked)
    if passed_over:
        reading.remarks.append(f"{passed_over} that are no futures passed over")
    return reading


def _rows(tiers: object, venue: str) -> list[Row]:
    if not isinstance(tiers, Sequence) or isinstance(tiers, str):
        raise NotImported("tiers", "wrong_type", "not a list of tiers")
    return [_row(tier, venue, place) for place, tier in enumerate(tiers, 1)]


def _row(tier: object, venue: str, place: int) -> Row:
    if not isinstance(tier, Mapping):
        raise NotImported(f"tier {place}", "wrong_type", "not an object")
    info = tier.get("info")
    said = info if isinstance(info, Mapping) else {}
    if "risk_limit_step" in said:
        # Gate's own tiers differ: ccxt makes these up from the first one by equal steps.
        detail = "ccxt's emulation, not the venue's table: take fetch_market_leverage_tiers"
        raise NotImported(f"tier {place}", "emulated_tiers", detail)
    row: Row = {name: tier.get(name) for name in _NUMBERS}
    row["maintenanceAmount"] = deduction_of(venue, said)
    return row
