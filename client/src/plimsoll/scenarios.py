"""What a simulation is asked: dicts with the keys of the wire, prices that move, things done.

Percentages are of the mark; numbers may be decimal strings.
"""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

from plimsoll.documents import Instrument, MarginMode, NamedAccount, Number, Side, Venue
from plimsoll.funds import SupposedFund

PriceBasis: TypeAlias = Literal["mark", "last", "index"]


class Policy(TypedDict):
    """Facts of a venue's policy that are to be others than `docs/venues.md` has."""

    negativeBalanceProtection: NotRequired[bool | None]
    claimsBorrowed: NotRequired[bool | None]
    fund: NotRequired[bool | None]
    surplusRate: NotRequired[Number | None]
    deleveraging: NotRequired[Literal["bankruptcy", "mark", "mixed", "none"] | None]
    mixedBeyond: NotRequired[Number | None]
    ranking: NotRequired[Literal["move_by_exposure", "return_by_leverage"] | None]
    socialises: NotRequired[bool | None]
    partial: NotRequired[Literal["requirement", "share", "tiers", "whole"] | None]
    stepShare: NotRequired[Number | None]
    stepLeast: NotRequired[Number | None]
    stepMost: NotRequired[Number | None]
    wholeTo: NotRequired[Number | None]
    steps: NotRequired[Number | None]
    backstop: NotRequired[Number | None]


class Step(TypedDict):
    """Prices of one step; a symbol's mark comes before its percentage, that before `allPct`."""

    allPct: NotRequired[Number | None]
    pct: NotRequired[dict[str, Number] | None]
    marks: NotRequired[dict[str, Number] | None]


class Shocks(Step):
    """One step, or `path`: several in their order, each from the marks before the scenario."""

    path: NotRequired[Sequence[Step] | None]


class Deposit(TypedDict):
    """Money comes to a balance."""

    type: Literal["deposit"]
    accountId: str
    asset: str
    amount: Number


class Withdrawal(TypedDict):
    """Money leaves a balance, which may become a loan."""

    type: Literal["withdrawal"]
    accountId: str
    asset: str
    amount: Number


class Fill(TypedDict):
    """A trade at a price, without a fee; it opens, adds to, reduces or turns a position."""

    type: Literal["fill"]
    accountId: str
    symbol: str
    side: Literal["buy", "sell"]
    contracts: Number
    price: Number
    positionSide: NotRequired[Side | None]
    leverage: NotRequired[Number | None]
    marginMode: NotRequired[MarginMode | None]


class LeverageChange(TypedDict):
    """Another leverage for positions of a symbol; isolated margin stays where it is."""

    type: Literal["leverage"]
    accountId: str
    symbol: str
    leverage: Number


class MarginModeChange(TypedDict):
    """Positions of a symbol become isolated (with their initial margin) or cross."""

    type: Literal["marginMode"]
    accountId: str
    symbol: str
    marginMode: MarginMode


class DepthLevel(TypedDict):
    """So much is filled until the price is so far from the mark, all nearer levels included."""

    pct: Number
    notional: Number


class DepthSides(TypedDict):
    """Both sides of a market: bids close longs, asks close shorts."""

    bids: Sequence[DepthLevel]
    asks: Sequence[DepthLevel]


class Impact(TypedDict):
    """ln(price) moves by `coefficient` x sqrt(notional / `dailyVolume`)."""

    coefficient: Number
    dailyVolume: Number


class Slippage(TypedDict):
    """What a closing fills at, by its notional; a symbol of neither kind closes at the mark."""

    depth: NotRequired[dict[str, Sequence[DepthLevel] | DepthSides] | None]
    impact: NotRequired[Impact | None]


class Cascade(TypedDict):
    """Liquidations push prices until nothing more falls, or for `roundsMax` looks of a step."""

    impact: Impact
    roundsMax: NotRequired[int]


class Scenario(TypedDict):
    """Actions, then prices, and what closing costs."""

    name: NotRequired[str | None]
    shocks: NotRequired[Shocks | None]
    actions: NotRequired[
        Sequence[Deposit | Withdrawal | Fill | LeverageChange | MarginModeChange] | None
    ]
    slippage: NotRequired[Slippage | None]
    cascade: NotRequired[Cascade | None]


class Axis(TypedDict):
    """Percentages of a symbol, or of all contracts where none is named."""

    pct: Sequence[Number]
    symbol: NotRequired[str | None]


class Grid(TypedDict):
    """A scenario for each pair of one move of each axis, besides those that are listed."""

    axes: Sequence[Axis]
    slippage: NotRequired[Slippage | None]
    cascade: NotRequired[Cascade | None]


class Supposed(TypedDict):
    """What is supposed, whoever's accounts they are: `instruments` come before stored ones."""

    marks: NotRequired[dict[str, Number] | None]
    lastPrices: NotRequired[dict[str, Number] | None]
    indexPrices: NotRequired[dict[str, Number] | None]
    priceBasis: NotRequired[PriceBasis]
    instruments: NotRequired[Sequence[Instrument] | None]
    compare: NotRequired[PriceBasis | None]
    funds: NotRequired[Sequence[SupposedFund] | None]
    policies: NotRequired[dict[str, Policy] | None]
    scenarios: NotRequired[Sequence[Scenario] | None]
    grid: NotRequired[Grid | None]


class SimulateRequest(Supposed):
    """Accounts and what is supposed of them; nothing of it is kept."""

    accounts: Sequence[NamedAccount]
    detail: NotRequired[Literal["all", "totals"]]


class MonitoredRequest(Supposed):
    """The same of all accounts of the caller's tenant that are monitored, as they are stored.

    `settledBy`: "queue" names each account that is deleveraged, "sums" only the `worst`; absent,
    it is by how many there are.
    """

    accounts: Literal["monitored"]
    detail: NotRequired[Literal["all", "totals"] | None]
    settledBy: NotRequired[Literal["queue", "sums"] | None]
    worst: NotRequired[int]


class MapAsked(TypedDict):
    """Which marks move, and how far: `points` moves from one to the other, evenly apart."""

    symbol: NotRequired[str | None]
    venue: NotRequired[Venue | None]
    fromPct: NotRequired[Number]
    toPct: NotRequired[Number]
    points: NotRequired[int]


class MapRequest(TypedDict):
    """A liquidation map of monitored accounts, your own or all there are (scope `admin`)."""

    map: MapAsked
    accounts: NotRequired[Literal["monitored"]]
    tenants: NotRequired[Literal["all", "own"]]
    funds: NotRequired[Sequence[SupposedFund] | None]
