"""The answer to a simulate call; money is in the asset beside it, never a sum of two."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from service.contract.alerts import LevelName
from service.contract.evaluate_request import PriceBasis
from service.contract.evaluation import Figure
from service.contract.problems import FaultAnswer
from service.contract.simulate import Side


class LiquidatedPool(Struct, rename="camel"):
    """The pool's name."""

    kind: Literal["cross", "isolated"]
    settle: str
    symbol: str | None
    side: Side | None


class ClosedPosition(Struct, rename="camel"):
    """What was closed of a position, in the market or by handing it over."""

    symbol: str
    side: Side
    contracts: float
    mark_price: float
    fill_price: float
    notional: Annotated[float, Meta(description="At the mark, in the settle asset.")]
    beyond_depth: Annotated[float, Meta(description="Of it, more than the depth has.")]


class LiquidationAnswer(Struct, rename="camel"):
    """One pool that was liquidated, in whole or by steps until it was safe; money in `settle`.

    remainder = kept + contributed - shortfall; the payers add up to the shortfall.
    """

    account_id: str
    pool: LiquidatedPool
    step: Annotated[int, Meta(description="Of the path, from 0.")]
    round: Annotated[int, Meta(description="Of the step's looks, from 0.")]
    whole: bool
    level: LevelName
    notional: float
    partial_steps: int
    fees: float
    remainder: Annotated[Figure, Meta(description="null: it was not closed whole.")]
    kept: float
    contributed: float
    shortfall: float
    fund: float
    deleveraged: float
    socialised: float
    owed: float
    venue: float
    positions: list[ClosedPosition]


class DeleveragedAnswer(Struct, rename="camel"):
    """What the queue took of a position, in the order of the queues' use."""

    account_id: str
    symbol: str
    side: Side
    contracts: float
    cost: Annotated[float, Meta(description="Against the mark, in the settle asset.")]
    step: int
    round: int


class MoneyAnswer(Struct, rename="camel"):
    """What happened to an account's pools of one asset."""

    asset: str
    shortfall: float
    owed: float


class SimulatedAccount(Struct, rename="camel"):
    """`level` is the worst on the way, by the table: stale marks say no less than fresh ones."""

    id: str
    level: LevelName
    liquidated: bool
    money: list[MoneyAnswer]


class FundAnswer(Struct, rename="camel"):
    """A fund that was listed, or that something came to or went from."""

    venue: str
    asset: str
    before: Figure
    after: Figure
    reason: Annotated[str | None, Meta(description="not_stated: nobody said what it holds.")]
    contributed: float
    paid: float


class AssetTotal(Struct, rename="camel"):
    """Sums over all pools whose money is in the asset; the payers add up to the shortfall."""

    asset: str
    liquidated: Annotated[int, Meta(description="Accounts.")]
    notional: float
    fees: float
    shortfall: float
    contributed: float
    fund: float
    deleveraged: float
    socialised: float
    owed: float
    venue: float


class TotalAnswer(AssetTotal, rename="camel"):
    """The same with the worst account, by what it owes."""

    worst_account_id: str | None
    worst_owed: float


class MoneyIn(Struct, rename="camel"):
    """Where money came from."""

    wallets: Annotated[float, Meta(description="Before, actions done.")]
    revaluation: Annotated[float, Meta(description="Collateral worth more, or less.")]
    counterparties: Annotated[float, Meta(description="PnL of all that was closed.")]
    funds: Annotated[float, Meta(description="Paid, less what they took.")]
    socialised: Annotated[float, Meta(description="Received, less what others bore.")]
    venue: float


class MoneyOut(Struct, rename="camel"):
    """Where it is."""

    wallets: Annotated[float, Meta(description="Afterwards, debts below zero.")]
    fees: float


class ConservationAnswer(Struct, rename="camel"):
    """Both sums of one asset; wallets are evaluated, the rest is what each stage moved."""

    asset: str
    money_in: MoneyIn
    money_out: MoneyOut
    total_in: float
    total_out: float


class ComparedAccount(Struct, rename="camel"):
    """A pool that is liquidated on one basis, and what is of it on the other."""

    account_id: str
    pool: LiquidatedPool


class ComparisonAnswer(Struct, rename="camel"):
    """Pools liquidated on the call's basis and on another; an unpriced one is on neither."""

    basis: PriceBasis
    with_basis: PriceBasis
    on_both: int
    only_on_basis: int
    only_on_other: int
    unpriced_on_basis: int
    unpriced_on_other: int
    pools_only_on_basis: list[ComparedAccount]
    pools_only_on_other: list[ComparedAccount]
    totals_on_other: list[TotalAnswer]


class ScenarioAnswer(Struct, rename="camel"):
    """One scenario; lists are empty where only totals were asked for."""

    name: str | None
    index: Annotated[int, Meta(description="Of the scenarios, then of the grid's.")]
    moves: Annotated[dict[str, float] | None, Meta(description="The grid's, `*` for all.")]
    at_rest: Annotated[bool, Meta(description="false: still falling after the last look.")]
    rounds: Annotated[int, Meta(description="Looks that found something to close.")]
    levels: Annotated[dict[str, int], Meta(description="Accounts by level.")]
    totals: list[TotalAnswer]
    funds: list[FundAnswer]
    conservation: list[ConservationAnswer]
    accounts: list[SimulatedAccount]
    liquidations: list[LiquidationAnswer]
    deleveraged: list[DeleveragedAnswer]
    comparison: ComparisonAnswer | None


class SimulateAnswer(Struct, rename="camel"):
    """The scenarios that could be worked out, in order, and what was wrong with others."""

    timestamp: int
    price_basis: PriceBasis
    scenarios: list[ScenarioAnswer]
    problems: list[FaultAnswer]
