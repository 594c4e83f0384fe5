"""What the operator knows: contracts, marks, quality, and so what an asset is worth, exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from service.risk.model import GENERIC_VENUE, USD, Instrument, Mark

Key = tuple[str, str]  # venue, symbol
Value = TypeVar("Value")


@dataclass(slots=True)
class World:
    """Contracts, newest marks and which of them are stale, each by (venue, symbol)."""

    instruments: dict[Key, Instrument] = field(default_factory=dict)
    marks: dict[Key, Mark] = field(default_factory=dict)
    stale: set[Key] = field(default_factory=set)
    pegged: frozenset[str] = frozenset()


def look_up(table: Mapping[Key, Value], venue: str, symbol: str) -> Value | None:
    """The venue's own, else the generic one."""
    return table.get((venue, symbol), table.get((GENERIC_VENUE, symbol)))


def asset_price(world: World, venue: str, asset: str) -> Fraction | None:
    """USD for one unit, by the stream's index, else its mark; None where nobody says."""
    if asset == USD or asset in world.pegged:
        return Fraction(1)
    for symbol, quote in (
        (f"{asset}/USD", USD),
        (f"{asset}/USD:{asset}", USD),
        (f"{asset}/USDT:USDT", "USDT"),
        (f"{asset}/USDC:USDC", "USDC"),
    ):
        mark = look_up(world.marks, venue, symbol)
        if mark is None or quote == asset:
            continue
        factor = asset_price(world, venue, quote)
        if factor is not None:
            price = mark.mark_price if mark.index_price is None else mark.index_price
            return Fraction(price) * factor
    return None
