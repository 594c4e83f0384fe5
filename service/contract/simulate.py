"""The simulate call as it is asked: a body of accounts, what is supposed of them, who pays."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.contract.accounts import NamedAccountDocument
from service.contract.decoding import Item, check_count, decode
from service.contract.evaluate_request import PriceBasis, Prices
from service.contract.instruments import InstrumentDocument, StrictlyTyped
from service.contract.names import AccountId, Asset, Symbol, Venue
from service.contract.numbers import (
    Coefficient,
    DistancePct,
    Fraction,
    MovePct,
    NotNegative,
    Positive,
    StepShare,
)
from service.contract.positions import MarginMode
from service.errors import Fault
from service.risk.policy import Deleveraging, Partial, Ranking

ROUNDS_MAX, STEPS_MAX, ACTIONS_MAX, LEVELS_MAX, AXIS_MAX = 100, 1_000, 10_000, 1_000, 1_000

NAMED_MAX = 100

SettledBy: TypeAlias = Literal["sums", "queue"]
Side: TypeAlias = Literal["long", "short"]


class SupposedFund(Struct, rename="camel"):
    """What a venue's insurance fund holds of an asset; one not listed pays all it is asked."""

    venue: Venue
    asset: Asset
    balance: NotNegative
    event_limit: Annotated[NotNegative, Meta(description="Most for one pool.")] | None = None


def fund_faults(funds: Sequence[SupposedFund]) -> list[Fault]:
    """Return a fault for each fund that is listed before."""
    known: set[tuple[str, str]] = set()
    faults = []
    for index, fund in enumerate(funds):
        if (fund.venue, fund.asset) in known:
            detail = "this fund is listed more than once"
            faults.append(Fault(f"/funds/{index}", "duplicate_fund", detail))
        known.add((fund.venue, fund.asset))
    return faults


class PolicyDocument(Struct, rename="camel"):
    """Facts of a venue's policy that are to be others than `docs/venues.md` has."""

    negative_balance_protection: bool | None = None
    claims_borrowed: bool | None = None
    fund: bool | None = None
    surplus_rate: (
        Annotated[NotNegative, Meta(description="Of the notional closed, for the fund.")] | None
    ) = None
    deleveraging: Deleveraging | None = None
    mixed_beyond: Fraction | None = None
    ranking: Ranking | None = None
    socialises: bool | None = None
    partial: Partial | None = None
    step_share: StepShare | None = None
    step_least: NotNegative | None = None
    step_most: Positive | None = None
    whole_to: NotNegative | None = None
    steps: NotNegative | None = None
    backstop: Fraction | None = None


class StepDocument(Struct, rename="camel"):
    """Prices of one step; a symbol's mark comes before its percentage, that before `allPct`."""

    all_pct: (
        Annotated[MovePct, Meta(description="All contracts, coins held; no stablecoins.")] | None
    ) = None
    pct: Annotated[dict[str, MovePct], Meta(description="By symbol.")] | None = None
    marks: Annotated[dict[str, Positive], Meta(description="By symbol.")] | None = None


class ShocksDocument(StepDocument, rename="camel"):
    """One step, or `path`: several in their order, each from the marks before the scenario."""

    path: Annotated[list[StepDocument], Meta(min_length=1, max_length=STEPS_MAX)] | None = None


class DepositDocument(Struct, rename="camel", tag_field="type", tag="deposit"):
    """Money comes to a balance."""

    account_id: AccountId
    asset: Asset
    amount: Positive


class WithdrawalDocument(Struct, rename="camel", tag_field="type", tag="withdrawal"):
    """Money leaves a balance, which may become a loan."""

    account_id: AccountId
    asset: Asset
    amount: Positive


class FillDocument(Struct, rename="camel", tag_field="type", tag="fill"):
    """A trade at a price, without a fee; it opens, adds to, reduces or turns a position."""

    account_id: AccountId
    symbol: Symbol
    side: Literal["buy", "sell"]
    contracts: Positive
    price: Positive
    position_side: (
        Annotated[Side, Meta(description="Needed where the account holds both.")] | None
    ) = None
    leverage: Annotated[Positive, Meta(description="Of a position it opens.")] | None = None
    margin_mode: Annotated[MarginMode, Meta(description="Likewise; cross.")] | None = None


class LeverageDocument(Struct, rename="camel", tag_field="type", tag="leverage"):
    """Another leverage for positions of a symbol; isolated margin stays where it is."""

    account_id: AccountId
    symbol: Symbol
    leverage: Positive


class MarginModeDocument(Struct, rename="camel", tag_field="type", tag="marginMode"):
    """Positions of a symbol become isolated (with their initial margin) or cross."""

    account_id: AccountId
    symbol: Symbol
    margin_mode: MarginMode


ActionDocument: TypeAlias = (
    DepositDocument | WithdrawalDocument | FillDocument | LeverageDocument | MarginModeDocument
)


class DepthLevel(Struct, rename="camel"):
    """So much is filled until the price is so far from the mark, all nearer levels included."""

    pct: DistancePct
    notional: Annotated[Positive, Meta(description="In the settle asset, cumulative.")]


DepthLevels: TypeAlias = Annotated[list[DepthLevel], Meta(min_length=1, max_length=LEVELS_MAX)]


class DepthSides(Struct, rename="camel"):
    """Both sides of a market: bids close longs, asks close shorts."""

    bids: DepthLevels
    asks: DepthLevels


class ImpactDocument(Struct, rename="camel"):
    """ln(price) moves by `coefficient` x sqrt(notional / `dailyVolume`)."""

    coefficient: Coefficient
    daily_volume: Annotated[Positive, Meta(description="Notional a day, in the settle asset.")]


class SlippageDocument(Struct, rename="camel"):
    """What a closing fills at, by its notional; a symbol of neither kind closes at the mark."""

    depth: (
        Annotated[
            dict[str, DepthLevels | DepthSides],
            Meta(description="By symbol; a list is of both sides."),
        ]
        | None
    ) = None
    impact: Annotated[ImpactDocument, Meta(description="Of symbols without a depth.")] | None = None


class CascadeDocument(Struct, rename="camel"):
    """Liquidations push prices until nothing more falls, or for `roundsMax` looks of a step."""

    impact: ImpactDocument
    rounds_max: Annotated[int, Meta(ge=1, le=ROUNDS_MAX)] = 50


class ScenarioDocument(Struct, rename="camel"):
    """Actions, then prices, and what closing costs."""

    name: Annotated[str, Meta(max_length=128)] | None = None
    shocks: ShocksDocument | None = None
    actions: Annotated[list[ActionDocument], Meta(max_length=ACTIONS_MAX)] | None = None
    slippage: SlippageDocument | None = None
    cascade: CascadeDocument | None = None


class AxisDocument(Struct, rename="camel"):
    """Percentages of a symbol, or of all contracts where none is named."""

    pct: Annotated[list[MovePct], Meta(min_length=1, max_length=AXIS_MAX)]
    symbol: Symbol | None = None


class GridDocument(Struct, rename="camel"):
    """A scenario for each pair of one move of each axis, besides those that are listed."""

    axes: Annotated[list[AxisDocument], Meta(min_length=1, max_length=2)]
    slippage: SlippageDocument | None = None
    cascade: CascadeDocument | None = None


class SimulateRequest(Prices, rename="camel", kw_only=True):
    """Accounts and what is supposed of them; nothing of it is kept."""

    accounts: Annotated[list[NamedAccountDocument], Meta(min_length=1)]
    instruments: (
        Annotated[list[InstrumentDocument], Meta(description="Override stored ones in this call.")]
        | None
    ) = None
    compare: (
        Annotated[PriceBasis, Meta(description="Tell who is liquidated on one and not the other.")]
        | None
    ) = None
    funds: list[SupposedFund] | None = None
    policies: Annotated[dict[Venue, PolicyDocument], Meta(description="By venue.")] | None = None
    scenarios: list[ScenarioDocument] | None = None
    grid: GridDocument | None = None
    detail: Annotated[
        Literal["all", "totals"], Meta(description="`totals` leaves out accounts and liquidations.")
    ] = "all"


class MonitoredRequest(SimulateRequest, rename="camel", kw_only=True):
    """The same of all accounts of the caller's tenant that are monitored, as they are stored.

    `settledBy`: `queue` has them here as a body has them, `sums` leaves them with the monitors and
    settles what comes of them in sums; absent, it is by how many there are.
    """

    accounts: Literal["monitored"]  # type: ignore[assignment]  # in place of a list
    settled_by: SettledBy | None = None
    worst: Annotated[
        int, Meta(ge=0, le=NAMED_MAX, description="By sums: accounts of a scenario to be named.")
    ] = 10
    detail: Literal["all", "totals"] | None = None  # type: ignore[assignment]  # not said: as it is


class _StrictRequest(Struct):
    instruments: list[StrictlyTyped] | None = None


class _CountedRequest(Struct):
    accounts: list[Item]
    instruments: list[Item] | None = None
    scenarios: list[Item] | None = None


_decoder = msgspec.json.Decoder(SimulateRequest, strict=False)
_strict_decoder = msgspec.json.Decoder(_StrictRequest)
_monitored_decoder = msgspec.json.Decoder(MonitoredRequest, strict=False)
_counting_decoder = msgspec.json.Decoder(_CountedRequest)


def check_counts(raw: bytes, accounts_max: int, scenarios_max: int) -> None:
    """Raise TooManyItems before records are made; MalformedBody, InvalidInput."""
    counted = decode(raw, _counting_decoder)
    check_count(len(counted.accounts), accounts_max, "accounts")
    check_count(len(counted.instruments or ()), accounts_max, "instruments")
    check_count(len(counted.scenarios or ()), scenarios_max, "scenarios")


def decode_simulate(raw: bytes) -> SimulateRequest:
    """Read the request; raises MalformedBody, InvalidInput: a book with a fault is none."""
    request = decode(raw, _decoder)
    if request.instruments:
        decode(raw, _strict_decoder)
    return request


def decode_monitored(raw: bytes) -> MonitoredRequest:
    """Read a request for what is monitored; raises MalformedBody, InvalidInput."""
    return decode(raw, _monitored_decoder)
