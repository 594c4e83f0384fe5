"""What a simulation finds, account by account: frozen records, money in the asset that each names.

None is "has no value", never 0.
"""

from dataclasses import dataclass

from plimsoll.answers import Fault
from plimsoll.documents import Level, MarginMode, Side
from plimsoll.scenarios import PriceBasis


@dataclass(frozen=True, slots=True)
class AssetTotal:
    """Sums over all pools whose money is in the asset; the payers add up to the shortfall."""

    asset: str
    liquidated: int
    notional: float
    fees: float
    shortfall: float
    contributed: float
    fund: float
    deleveraged: float
    socialised: float
    owed: float
    venue: float


@dataclass(frozen=True, slots=True)
class Total(AssetTotal):
    """The same with the worst account, by what it owes."""

    worst_account_id: str | None
    worst_owed: float


@dataclass(frozen=True, slots=True)
class FundChange:
    """A fund that was listed, or that something came to or went from."""

    venue: str
    asset: str
    before: float | None
    after: float | None
    reason: str | None
    contributed: float
    paid: float


@dataclass(frozen=True, slots=True)
class MoneyIn:
    """Where money came from."""

    wallets: float
    revaluation: float
    counterparties: float
    funds: float
    socialised: float
    venue: float


@dataclass(frozen=True, slots=True)
class MoneyOut:
    """Where it is."""

    wallets: float
    fees: float


@dataclass(frozen=True, slots=True)
class Conservation:
    """Both sums of one asset; wallets are evaluated, the rest is what each stage moved."""

    asset: str
    money_in: MoneyIn
    money_out: MoneyOut
    total_in: float
    total_out: float


@dataclass(frozen=True, slots=True)
class AccountMoney:
    """What happened to an account's pools of one asset."""

    asset: str
    shortfall: float
    owed: float


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """`level` is the worst on the way, by the table: stale marks say no less than fresh ones."""

    id: str
    level: Level
    liquidated: bool
    money: list[AccountMoney]


@dataclass(frozen=True, slots=True)
class LiquidatedPool:
    """The pool's name."""

    kind: MarginMode
    settle: str
    symbol: str | None
    side: Side | None


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """What was closed of a position, in the market or by handing it over."""

    symbol: str
    side: Side
    contracts: float
    mark_price: float
    fill_price: float
    notional: float
    beyond_depth: float


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One pool that was liquidated, in whole or by steps until it was safe; money in `settle`."""

    account_id: str
    pool: LiquidatedPool
    step: int
    round: int
    whole: bool
    level: Level
    notional: float
    partial_steps: int
    fees: float
    remainder: float | None
    kept: float
    contributed: float
    shortfall: float
    fund: float
    deleveraged: float
    socialised: float
    owed: float
    venue: float
    positions: list[ClosedPosition]


@dataclass(frozen=True, slots=True)
class Deleveraged:
    """What the queue took of a position, in the order of the queues' use."""

    account_id: str
    symbol: str
    side: Side
    contracts: float
    cost: float
    step: int
    round: int


@dataclass(frozen=True, slots=True)
class ComparedPool:
    """A pool that is liquidated on one basis, and what is of it on the other."""

    account_id: str
    pool: LiquidatedPool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Pools liquidated on the call's basis and on another; an unpriced one is on neither."""

    basis: PriceBasis
    with_basis: PriceBasis
    on_both: int
    only_on_basis: int
    only_on_other: int
    unpriced_on_basis: int
    unpriced_on_other: int
    pools_only_on_basis: list[ComparedPool]
    pools_only_on_other: list[ComparedPool]
    totals_on_other: list[Total]


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario; lists are empty where only totals were asked for."""

    name: str | None
    index: int
    moves: dict[str, float] | None
    at_rest: bool
    rounds: int
    levels: dict[str, int]
    totals: list[Total]
    funds: list[FundChange]
    conservation: list[Conservation]
    accounts: list[SimulatedAccount]
    liquidations: list[Liquidation]
    deleveraged: list[Deleveraged]
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The scenarios that could be worked out, in order, and what was wrong with others."""

    timestamp: int
    price_basis: PriceBasis
    scenarios: list[ScenarioResult]
    problems: list[Fault]
