"""The answer of the evaluate call; a figure without a value is null, its reason beside it.

The answer's records are filled from columns (`map` over lists, in the order of the fields), so the
order of fields is part of the code that fills them; NaN is written as null by the encoder.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from service.contract.alerts import LevelName, Side, ToRestore
from service.contract.health import FindingAnswer
from service.contract.likelihood import (
    AccountLikelihood,
)
from service.contract.problems import FaultAnswer
from service.contract.quality import QualityName

Figure: TypeAlias = Annotated[float | None, Meta(description="null: has no value, see the reason")]
MarkSource: TypeAlias = Literal["request", "position", "stream"]


class PositionAnswer(Struct, rename="camel", gc=False):
    """One position; money in its pool's settle asset."""

    symbol: str
    side: Side
    contracts: float
    margin_mode: Literal["isolated", "cross"]
    instrument_venue: str | None
    mark_venue: str | None
    mark_source: MarkSource | None
    mark_price: Figure
    mark_age_ms: int | None
    stale: bool
    quality: QualityName
    notional: Figure
    unrealized_pnl: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    leverage: Figure
    liquidation_price: Figure
    liquidation_price_reason: str | None
    liquidation_price_below: Figure
    liquidation_price_above: Figure
    bankruptcy_price: Figure
    bankruptcy_price_reason: str | None
    distance_pct: Figure
    gap_to_liquidation_pct: Figure
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: Figure
    gap_to_owe_reason: str | None


class AfterGap(Struct, rename="camel", gc=False):
    """What the asked gap leaves of a pool, closed whole where it is to be liquidated; who pays.

    `shortfall` is what all others add up to. What a fund or a queue can pay is not known here: the
    first of them that the venue has is taken to pay all of it.
    """

    level: LevelName
    reason: str | None
    equity: Figure
    shortfall: Figure
    fund: Figure
    deleveraged: Figure
    socialised: Figure
    owed: Figure
    venue: Figure


class PoolAnswer(Struct, rename="camel", gc=False):
    """One margin pool: what is liquidated as one. Money in `settle`."""

    kind: Literal["cross", "isolated"]
    settle: str
    symbol: str | None
    side: Side | None
    level: LevelName
    reason: str | None
    stale: bool
    quality: QualityName
    wallet_balance: Figure
    unrealized_pnl: Figure
    equity: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    health_factor: Figure
    available_margin: Figure
    margin_deficit: Figure
    shortfall: Figure
    owed: Figure
    max_loss: Figure
    max_loss_reason: str | None
    gap_to_liquidation_pct: Figure
    gap_to_liquidation_reason: str | None
    gap_to_owe_pct: Figure
    gap_to_owe_reason: str | None
    after_gap: AfterGap | None
    to_restore: ToRestore


class AccountAnswer(Struct, rename="camel"):
    """One account; its totals are in `currency`."""

    id: str
    level: LevelName
    currency: str
    totals_reason: str | None
    stale: bool
    quality: Annotated[QualityName, Meta(description="The worst of the marks it goes by.")]
    equity: Figure
    wallet_balance: Figure
    unrealized_pnl: Figure
    initial_margin: Figure
    maintenance_margin: Figure
    margin_ratio: Figure
    health_factor: Figure
    available_margin: Figure
    margin_deficit: Figure
    shortfall: Figure
    owed: Figure
    to_restore: ToRestore
    pools: list[PoolAnswer]
    positions: list[PositionAnswer]
    findings: (
        Annotated[
            list[FindingAnswer],
            Meta(description="Over a limit, the worst first; where asked for."),
        ]
        | None
    )
    likelihood: Annotated[AccountLikelihood, Meta(description="Where asked for.")] | None


class EvaluateAnswer(Struct, rename="camel"):
    """The accounts that could be evaluated, in the order asked, and what was wrong with others."""

    timestamp: int
    accounts: list[AccountAnswer]
    problems: list[FaultAnswer]
