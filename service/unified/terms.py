"""Contract terms that ccxt leaves in a position's `info` only, where no table says them.

Hyperliquid's rate is half of one over the most leverage of the coin; bitget says the rate of the
tier that the position is in. One tier is made of it: right for the size that is there.
"""

from collections.abc import Callable, Mapping, Sequence

from service.contract.instruments import InstrumentDocument, TierDocument
from service.contract.names import Venue
from service.imports.listings import NotImported, listing_of
from service.unified.figures import Json, number, within
from service.unified.records import Remark


def _hyperliquid(info: object) -> float | None:
    most = number(within(info, "position", "maxLeverage"))
    return 0.5 / most if most is not None and most > 0.0 else None


def _bitget(info: object) -> float | None:
    return number(within(info, "keepMarginRate"))


RATES: Mapping[str, Callable[[object], float | None]] = {
    "bitget": _bitget,
    "hyperliquid": _hyperliquid,
}


def terms_in_positions(
    venue: Venue, positions: Sequence[Json], wanted: set[str]
) -> tuple[list[InstrumentDocument], list[Remark]]:
    """Return instruments of the `wanted` symbols, as far as their positions say the terms."""
    rate_of = RATES.get(venue)
    found: dict[str, InstrumentDocument] = {}
    remarks: list[Remark] = []
    for place, row in enumerate(positions):
        symbol = row.get("symbol")
        if rate_of is None or symbol not in wanted or symbol in found:
            continue
        rate = rate_of(row.get("info"))
        if rate is None or not 0.0 < rate < 1.0:
            continue
        size = number(row.get("contractSize")) or None
        try:
            listing = listing_of(venue, str(symbol), {"contractSize": size} if size else None)
        except NotImported:
            continue
        found[listing.symbol] = InstrumentDocument(
            symbol=listing.symbol,
            linear=listing.linear,
            contract_size=listing.contract_size,
            base=listing.base,
            quote=listing.quote,
            settle=listing.settle,
            tiers=[TierDocument(min_notional=0.0, maintenance_margin_rate=rate)],
            venue=venue,
        )
        detail = "one tier, of the maintenance rate that the position says"
        remarks.append(Remark(f"/positions/{place}/info", "terms_of_position", detail))
    return list(found.values()), remarks
