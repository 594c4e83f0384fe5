"""The liquidation map of what is monitored: asked, told of while it is made, and answered."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.decoding import decode
from service.contract.evaluation import Figure
from service.contract.names import Symbol, Venue
from service.contract.numbers import Number
from service.contract.simulate import SupposedFund, fund_faults
from service.errors import Fault, InvalidInput

POINTS_MAX = 1_001
_PERCENT = "Percent of the mark, up > 0; no price may fall to 0."


class MapAsked(Struct, rename="camel"):
    """Which marks move, and how far: `points` moves from one to the other, evenly apart."""

    symbol: Annotated[Symbol | None, Meta(description="Absent: all symbols at once.")] = None
    venue: Annotated[Venue | None, Meta(description="Absent: accounts of all venues.")] = None
    from_pct: Annotated[Number, Meta(description=_PERCENT)] = -60.0
    to_pct: Annotated[Number, Meta(description=_PERCENT)] = 60.0
    points: Annotated[int, Meta(ge=2, le=POINTS_MAX)] = 121


class MapRequest(Struct, rename="camel"):
    """A liquidation map of monitored accounts; nothing changes by it.

    `tenants`: the caller's own accounts, or all there are, which takes the scope `admin`.
    """

    map: MapAsked
    accounts: Literal["monitored"] = "monitored"
    tenants: Literal["own", "all"] = "own"
    funds: list[SupposedFund] | None = None


class MapMoney(Struct, rename="camel", gc=False):
    """What is liquidated at a point of pools that one venue counts in one asset; money in it.

    `shortfall` is what closing leaves missing; the next five add up to it.
    """

    venue: str
    asset: str
    pools: int
    long_notional: Figure
    short_notional: Figure
    shortfall: Figure
    fund: Figure
    deleveraged: Figure
    socialised: Figure
    owed: Figure
    venue_pays: Figure
    fund_after: Annotated[
        float | None, Meta(description="null: nobody said what the fund holds before.")
    ]


class MapPoint(Struct, rename="camel", gc=False):
    """One move; a total in USD is null where an asset in it has no price."""

    move_pct: float
    accounts: Annotated[int, Meta(description="With at least one pool liquidated.")]
    accounts_short: Annotated[int, Meta(description="With at least one pool that falls short.")]
    pools: int
    notional_usd: Figure
    shortfall_usd: Figure
    owed_usd: Figure
    by_asset: list[MapMoney]


class MarketIds(Struct, rename="camel"):
    """The entries of the market stream whose marks the parts of the map go by."""

    first: int
    last: int


class MapAnswer(Struct, rename="camel"):
    """The map; `pools` were judged at every point, `unpricedPools` of them are in none."""

    timestamp: int
    symbol: str | None
    venue: str | None
    market_ids: MarketIds
    accounts: int
    pools: int
    unpriced_pools: int
    points: list[MapPoint]


class MapProgress(Struct, rename="camel"):
    """Parts of the book that are done, of all there are, and the accounts in them.

    A line of the answer as NDJSON is `{"progress": ...}`, the last `{"result": ...}`, or
    `{"problem": ...}` where it failed on the way.
    """

    done: int
    total: int
    accounts: int


class _Kind(Struct):
    """What tells a body with a map from others."""

    map: msgspec.Raw = msgspec.Raw(b"null")


map_decoder = msgspec.json.Decoder(MapRequest, strict=False)
_kind_decoder = msgspec.json.Decoder(_Kind)


def asks_for_map(body: bytes) -> bool:
    """Whether a body asks for a map; raises as `decode`."""
    return bytes(decode(body, _kind_decoder).map) != b"null"


def check_map(asked: MapRequest) -> None:
    """Raise InvalidInput for moves that are none."""
    faults = []
    if asked.map.from_pct <= -100.0:
        detail = "a price must not fall to 0"
        faults.append(Fault("/map/fromPct", "out_of_range", detail))
    if asked.map.from_pct >= asked.map.to_pct:
        detail = "the last move must be above the first"
        faults.append(Fault("/map/toPct", "out_of_range", detail))
    faults += fund_faults(asked.funds or ())
    if faults:
        raise InvalidInput.of(*faults)
