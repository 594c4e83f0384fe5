"""What you write to the service, and read back as you wrote it: dicts with the keys of the wire.

A position is ccxt's: a dict from `fetch_positions()` is one as it is, since keys not named here are
ignored. Numbers may be decimal strings. What the service works out itself is in `answers`.
"""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

Level: TypeAlias = Literal[
    "HEALTHY", "UNPRICED", "WARNING", "MARGIN_CALL", "LIQUIDATION", "BANKRUPT"
]
Side: TypeAlias = Literal["long", "short"]
Quality: TypeAlias = Literal["good", "degraded", "suspect", "stale"]
Allows: TypeAlias = Literal["evaluate", "warn", "call", "liquidate"]
MarginMode: TypeAlias = Literal["cross", "isolated"]
Reason: TypeAlias = Literal["funding", "deposit", "withdrawal", "fee", "pnl"]
Venue: TypeAlias = Literal[
    "generic",
    "binance",
    "okx",
    "bybit",
    "bybit-classic",
    "hyperliquid",
    "dydx",
    "gate",
    "htx",
    "kucoin",
    "bitmex",
    "mexc",
    "krakenfutures",
    "deribit",
    "drift",
    "bitget",
    "phemex",
    "delta",
    "edgex",
]
Number: TypeAlias = float | str


class Balance(TypedDict):
    """An amount of one asset; weight and price count in `multi` collateral mode only."""

    asset: str
    amount: Number
    weight: NotRequired[Number | None]
    price: NotRequired[Number | None]


class Position(TypedDict):
    """A position as ccxt has it; `contracts` is unsigned, `side` has the direction."""

    symbol: str
    contracts: Number
    side: NotRequired[Side | None]
    entryPrice: NotRequired[Number | None]
    marginMode: NotRequired[MarginMode | None]
    leverage: NotRequired[Number | None]
    contractSize: NotRequired[Number | None]
    markPrice: NotRequired[Number | None]
    margin: NotRequired[Number | None]
    collateral: NotRequired[Number | None]
    unrealizedPnl: NotRequired[Number | None]
    stopLossPrice: NotRequired[Number | None]
    takeProfitPrice: NotRequired[Number | None]
    lossBudget: NotRequired[Number | None]


class Thresholds(TypedDict):
    """Lines of the margin ratio: 0 <= hysteresis < warning < marginCall < 1."""

    warning: NotRequired[Number | None]
    marginCall: NotRequired[Number | None]
    hysteresis: NotRequired[Number | None]
    easeAfterMs: NotRequired[int | None]


class Repeat(TypedDict):
    """Remind of an alert this often (a minute to a week), in event time."""

    everyMs: int
    until: NotRequired[Literal["resolved", "acknowledged"]]


class HealthLimits(TypedDict):
    """The lines of a health check; what is at a line is not over it."""

    leverageMax: NotRequired[Number | None]
    positionShareMax: NotRequired[Number | None]
    concentrationMax: NotRequired[Number | None]
    stops: NotRequired[Literal["expected", "optional"] | None]
    budgetShare: NotRequired[Number | None]
    boundFactorMax: NotRequired[Number | None]
    bufferDeviationsMin: NotRequired[Number | None]
    bufferHorizonS: NotRequired[Number | None]
    fundingHoursMin: NotRequired[Number | None]
    markAgeMaxMs: NotRequired[Number | None]


class Volatility(TypedDict):
    """Your own word on how a market moves: `annual`, or the rest."""

    annual: NotRequired[Number | None]
    diffusionPerSqrtS: NotRequired[Number | None]
    jumpsPerS: NotRequired[Number]
    jumpMean: NotRequired[Number]


class Account(TypedDict):
    """What an account holds."""

    venue: NotRequired[Venue | None]
    marginMode: NotRequired[MarginMode | None]
    collateralMode: NotRequired[Literal["single", "multi"] | None]
    balances: NotRequired[Sequence[Balance] | None]
    positions: NotRequired[Sequence[Position] | None]
    thresholds: NotRequired[Thresholds | None]
    repeat: NotRequired[Repeat | None]
    healthLimits: NotRequired[HealthLimits | None]


class NamedAccount(Account):
    """An account of a list, under its id."""

    id: str


class StoredAccount(Account):
    """An account as it is stored; `version` is what `if_version` asks for."""

    id: str
    version: int


class Tier(TypedDict):
    """Sizes from `minNotional` up to `maxNotional`, in the table's unit, and their rates."""

    minNotional: Number
    maintenanceMarginRate: Number
    maxNotional: NotRequired[Number | None]
    maxLeverage: NotRequired[Number | None]
    maintenanceAmount: NotRequired[Number | None]


class Allowed(TypedDict):
    """By quality what accounts may be raised to; a stale mark liquidates nobody."""

    degraded: NotRequired[Allows | None]
    suspect: NotRequired[Allows | None]
    stale: NotRequired[Literal["evaluate", "warn", "call"] | None]


class MarkRule(TypedDict):
    """Rules of the mark gate for one instrument; what is absent is as the service is set."""

    band: NotRequired[Number | None]
    confirmS: NotRequired[Number | None]
    confirmMarks: NotRequired[int | None]
    implausibleFactor: NotRequired[Number | None]
    implausibleS: NotRequired[Number | None]
    warmupMarks: NotRequired[int | None]
    maxAgeS: NotRequired[Number | None]
    sourcesMin: NotRequired[int | None]
    allows: NotRequired[Allowed | None]


class OwnMark(TypedDict):
    """How a symbol's mark is made: of spot sources by name, with weights, and of its book."""

    sources: dict[str, Number]
    freshS: NotRequired[Number]
    band: NotRequired[Number]
    sourcesMin: NotRequired[int]
    confirmS: NotRequired[Number]
    basisS: NotRequired[Number]
    basisEveryS: NotRequired[Number]
    divergenceMax: NotRequired[Number]


class Instrument(TypedDict):
    """A perpetual contract as one venue lists it; not `linear` is inverse, margined in the coin."""

    symbol: str
    linear: bool
    contractSize: Number
    base: str
    quote: str
    settle: str
    tiers: Sequence[Tier]
    venue: NotRequired[Venue | None]
    takerFee: NotRequired[Number | None]
    tiering: NotRequired[Literal["marginal", "whole"] | None]
    tierUnit: NotRequired[Literal["notional", "contracts"] | None]
    markRule: NotRequired[MarkRule | None]
    ownMark: NotRequired[OwnMark | None]


class Trade(TypedDict):
    """A trade to be sized: what its stop may lose, what may be given as margin."""

    symbol: str
    side: Side
    stopPrice: Number
    budget: Number
    capital: Number
    venue: NotRequired[Venue | None]
    entryPrice: NotRequired[Number | None]
    leverageMax: NotRequired[Number | None]
    clearance: NotRequired[Number | None]
    instruments: NotRequired[Sequence[Instrument] | None]


class Mark(TypedDict):
    """One price report of one (venue, symbol); `timestamp` is the source's clock, epoch ms."""

    symbol: str
    markPrice: Number
    venue: NotRequired[Venue | None]
    indexPrice: NotRequired[Number | None]
    lastPrice: NotRequired[Number | None]
    fundingRate: NotRequired[Number | None]
    fundingIntervalH: NotRequired[Number | None]
    timestamp: NotRequired[int | None]
    source: NotRequired[str | None]
    openInterest: NotRequired[Number | None]
    dayVolume: NotRequired[Number | None]


class StoredMark(Mark):
    """The newest mark of a symbol, how old it is, and whether that is too old to rely on."""

    marketId: int
    eventTime: int
    ageMs: int
    stale: bool
    quality: Quality
    allows: Allows
    refused: NotRequired[dict[str, int]]


class InstrumentList(TypedDict):
    """The answer that carries stored instruments."""

    instruments: Sequence[Instrument]


class MarkList(TypedDict):
    """The answer that carries the newest marks."""

    marks: Sequence[StoredMark]
