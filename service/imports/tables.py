"""One symbol's tier table: put in order, in the venue's unit, checked as the service checks it."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from service.contract.instruments import InstrumentDocument, decode_instrument, from_instrument
from service.errors import InvalidInput
from service.imports.conventions import unit_of
from service.imports.listings import Listing, NotImported
from service.imports.records import Asked, Reading, Refusal

Row = dict[str, object]
_CONTINUITY = 1e-6  # relative; a published deduction is printed with a few digits
_ROUNDED = 1.1  # leverages are printed in whole numbers


def add_table(
    reading: Reading, venue: str, listing: Listing, rows: Sequence[Row], asked: Asked
) -> None:
    """Add a document, or every reason why there is none.

    `rows` have a TierDocument's keys; a number is finite, a decimal text or None (absent).
    """
    try:
        unit = asked.tier_unit or unit_of(venue, linear=listing.linear)
        if unit is None:
            detail = "what its sizes count is not known: say --tier-unit notional or contracts"
            raise NotImported("tiers", "tier_unit_unknown", detail)
        tiers = _in_order([_checked(row, place) for place, row in enumerate(rows, 1)])
        if unit == "contracts":
            tiers = _joined(tiers, listing, reading)
    except NotImported as why:
        reading.refusals.append(Refusal(venue, listing.symbol, why.place, why.code, why.detail))
        return
    _add_document(reading, venue, listing, unit, tiers)


def _add_document(
    reading: Reading, venue: str, listing: Listing, unit: str, tiers: list[Row]
) -> None:
    raw = msgspec.json.encode(
        {
            "venue": venue,
            "symbol": listing.symbol,
            "linear": listing.linear,
            "contractSize": listing.contract_size,
            "base": listing.base,
            "quote": listing.quote,
            "settle": listing.settle,
            "tierUnit": unit,
            "tiers": tiers,
        }
    )
    document = checked_document(reading, venue, listing.symbol, raw)
    if document is None:
        return
    reading.documents.append(document)
    uneven = _uneven(document)
    if uneven is not None:
        reading.remarks.append(
            f"{venue} {listing.symbol} tier {uneven}: its deduction is not the one that makes the "
            "requirement continuous; it is taken as given"
        )


def checked_document(
    reading: Reading, venue: str, symbol: str, raw: bytes
) -> InstrumentDocument | None:
    """Read a document as the service would, into its canonical form; refusals have its reasons."""
    try:
        return from_instrument(decode_instrument(raw))
    except InvalidInput as error:
        for fault in error.faults:
            place, between = _placed(fault.pointer, raw)
            detail = f"{fault.detail}{between}"
            reading.refusals.append(Refusal(venue, symbol, place, fault.code, detail))
        return None


def _placed(pointer: str, raw: bytes) -> tuple[str, str]:
    """Return the words for a pointer, and the sizes that stand there."""
    parts = pointer.strip("/").split("/")
    if len(parts) < 2 or parts[0] != "tiers" or not parts[1].isdigit():
        return ".".join(parts), ""
    index = int(parts[1])
    tiers = msgspec.json.decode(raw)["tiers"]
    place = " ".join([f"tier {index + 1}", *parts[2:]])
    if index == 0 or len(parts) > 2:
        return place, ""
    before, tier = tiers[index - 1], tiers[index]
    return place, (
        f": it starts at {tier.get('minNotional')} with rate {tier.get('maintenanceMarginRate')}, "
        f"the one before ends at {before.get('maxNotional')} with rate "
        f"{before.get('maintenanceMarginRate')}"
    )


def _checked(row: Row, place: int) -> Row:
    """Return a row of numbers, without what is absent. An open end stands for no other number."""
    kept: Row = {}
    for name, value in row.items():
        if value is None:
            continue
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # a text or an object raises
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            detail = f"{name} is not a finite number"
            raise NotImported(f"tier {place}", "not_a_number", detail)
        kept[name] = number
    for name in ("minNotional", "maintenanceMarginRate"):
        if name not in kept:
            raise NotImported(f"tier {place}", "missing_field", f"it has no {name}")
    _check_rate(kept, place)
    return kept


def _check_rate(tier: Row, place: int) -> None:
    """Refuse a rate beyond the initial margin at the tier's own most leverage.

    A percentage taken for a fraction is: it is a hundred times too much.
    """
    rate, most = tier["maintenanceMarginRate"], tier.get("maxLeverage")
    assert isinstance(rate, float)
    if isinstance(most, float) and rate * most > _ROUNDED:
        detail = f"the rate {rate:g} is above the initial margin at {most:g}x: is it in percent?"
        raise NotImported(f"tier {place}", "rate_above_initial", detail)


def _in_order(tiers: list[Row]) -> list[Row]:
    """Turn a table round that is written from its top; any other order is for the check to see."""
    floors = [_size(tier, "minNotional") for tier in tiers]
    falls = all(after < before for before, after in pairwise(floors))
    return tiers[::-1] if falls and len(tiers) > 1 else tiers


def _joined(tiers: list[Row], listing: Listing, reading: Reading) -> list[Row]:
    """Close borders that are one lot wide: sizes are counted, so 1 to 500 and 501 on have no gap.

    The lower tier goes up to the floor of the next: a size that is its last stays in it.
    """
    joined, closed = [dict(tier) for tier in tiers], 0
    for tier, after in pairwise(joined):
        floor, cap = _size(after, "minNotional"), _size(tier, "maxNotional")
        if 0.0 < floor - cap <= listing.lot * (1.0 + 1e-9):
            tier["maxNotional"], closed = floor, closed + 1
    if closed:
        reading.remarks.append(
            f"{listing.symbol}: {closed} borders of one lot ({listing.lot:g} contracts) closed"
        )
    return joined


def _size(tier: Mapping[str, object], name: str) -> float:
    value = tier.get(name, math.inf)
    assert isinstance(value, float)
    return value


def _uneven(document: InstrumentDocument) -> int | None:
    """Return the first tier, from 1, whose given deduction makes a step at its floor."""
    amount = 0.0
    for place, tier in enumerate(document.tiers):
        rate_before = document.tiers[place - 1].maintenance_margin_rate if place else 0.0
        step = tier.min_notional * (tier.maintenance_margin_rate - rate_before) if place else 0.0
        amount += step
        given = tier.maintenance_amount
        if given is None:
            continue
        scale = max(abs(amount), tier.min_notional * tier.maintenance_margin_rate)
        if abs(given - amount) > _CONTINUITY * scale:
            return place + 1
        amount = given
    return None
