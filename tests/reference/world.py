"""What the operator knows: contracts, marks, quality, and so what an asset is worth, exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from service.risk.model import GENERIC_VENUE, USD, Instrument, Mark
from service.risk.quality import Verdict
from tests.reference.rational import Fraction

Key = tuple[str, str]  # venue, symbol
Value = TypeVar("Value")


@dataclass(slots=True)
class World:
    """Contracts, newest marks and what they are worth where not good, each by (venue, symbol)."""

    instruments: dict[Key, Instrument] = field(default_factory=dict)
    marks: dict[Key, Mark] = field(default_factory=dict)
    verdicts: dict[Key, Verdict] = field(default_factory=dict)
    pegged: frozenset[str] = frozenset()


def look_up(table: Mapping[Key, Value], venue: str, symbol: str) -> Value | None:
    """The venue's own, else the generic one."""
    return table.get((venue, symbol), table.get((GENERIC_VENUE, symbol)))


def reported(world: World, venue: str, symbol: str) -> Fraction | None:
    """The index price of a symbol, else its mark."""
    mark = look_up(world.marks, venue, symbol)
    if mark is None:
        return None
    return Fraction(mark.mark_price if mark.index_price is None else mark.index_price)


def direct_price(world: World, venue: str, asset: str) -> Fraction | None:
    """USD for one unit where somebody quotes it in USD."""
    if asset == USD or asset in world.pegged:
        return Fraction(1)
    spot = reported(world, venue, f"{asset}/USD")
    return spot if spot is not None else reported(world, venue, f"{asset}/USD:{asset}")


def asset_price(world: World, venue: str, asset: str) -> Fraction | None:
    """USD for one unit, if need be over a stablecoin that is itself priced; None: nobody says."""
    price = direct_price(world, venue, asset)
    for quote in ("USDT", "USDC"):
        if price is None and quote != asset:
            quoted = reported(world, venue, f"{asset}/{quote}:{quote}")
            factor = direct_price(world, venue, quote)
            price = None if quoted is None or factor is None else quoted * factor
    return price
