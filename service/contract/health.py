"""The health check, asked and answered: limits in, findings out, each with what clears it."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from service.contract.alerts import LevelName, PoolName, Side
from service.contract.numbers import Fraction, NotNegative, Positive
from service.risk.model import HealthLimits

Severity: TypeAlias = Literal["info", "warning", "critical"]
Unit: TypeAlias = Literal[
    "ratio", "price", "money", "standard_deviations", "hours", "milliseconds", "none"
]
Action: TypeAlias = Literal[
    "deposit",
    "reduce",
    "reduce_pool",
    "reduce_coin",
    "set_stop",
    "isolate",
    "post_mark",
    "put_instrument",
    "price_collateral",
]
FindingCode: TypeAlias = Literal[
    "leverage_above_limit",
    "position_too_large",
    "concentrated",
    "no_stop_loss",
    "stop_loss_passed",
    "stop_loss_beyond_liquidation",
    "stop_loss_above_budget",
    "isolated_would_bound_loss",
    "buffer_thin",
    "funding_eats_margin",
    "market_volatile",
    "market_diverged",
    "mark_stale",
    "mark_missing",
    "instrument_missing",
    "collateral_unpriced",
]
_Amount: TypeAlias = Annotated[
    float | None, Meta(description="null: endless, or there is nothing to measure")
]


class HealthLimitsDocument(Struct, rename="camel", omit_defaults=True):
    """The lines of a health check, the service's own where absent; at a line is not over it."""

    leverage_max: (
        Annotated[Positive, Meta(description="Notional of a pool over its equity; 10.")] | None
    ) = None
    position_share_max: (
        Annotated[
            Positive,
            Meta(description="Initial margin of a position over its account's equity; 0.5."),
        ]
        | None
    ) = None
    concentration_max: (
        Annotated[Fraction, Meta(description="Net notional in one coin over the gross; 0.8.")]
        | None
    ) = None
    stops: (
        Annotated[
            Literal["expected", "optional"],
            Meta(description="Whether a position without a stop-loss is a finding; expected."),
        ]
        | None
    ) = None
    budget_share: (
        Annotated[
            Positive,
            Meta(
                description="Loss at a stop over the account's equity, without `lossBudget`; 0.02."
            ),
        ]
        | None
    ) = None
    bound_factor_max: (
        Annotated[Positive, Meta(description="What cross can lose over what isolated could; 3.")]
        | None
    ) = None
    buffer_deviations_min: (
        Annotated[
            NotNegative, Meta(description="Distance to liquidation in moves of the horizon; 3.")
        ]
        | None
    ) = None
    buffer_horizon_s: Annotated[Positive, Meta(description="That horizon; a day.")] | None = None
    funding_hours_min: (
        Annotated[NotNegative, Meta(description="Hours until funding has taken the margin; 168.")]
        | None
    ) = None
    mark_age_max_ms: Annotated[NotNegative, Meta(description="10,000.")] | None = None


class ChangeAnswer(Struct, gc=False):
    """One change that clears a finding by itself: the smallest that does.

    `deposit`, `isolate`: money of the pool; `reduce`: contracts of the position; `reduce_pool`,
    `reduce_coin`: a share of each position; `set_stop`: a price; the others have no amount.
    """

    action: Action
    amount: _Amount


class FindingAnswer(Struct, rename="camel"):
    """One thing that is over a limit, of a position where `symbol` is there, else of its pool.

    Money is in the pool's settle asset.
    """

    code: FindingCode
    severity: Severity
    pool: PoolName
    symbol: str | None
    side: Side | None
    measured: _Amount
    limit: _Amount
    unit: Unit
    changes: list[ChangeAnswer]
    figures: Annotated[
        dict[str, float | None], Meta(description="What else was worked out, by name.")
    ]


class HealthAnswer(Struct, rename="camel"):
    """The health check of a stored account now; the worst findings come first."""

    id: str
    timestamp: int
    version: int
    level: LevelName
    limits: Annotated[HealthLimitsDocument, Meta(description="What it was held against.")]
    findings: list[FindingAnswer]


def to_limits(document: HealthLimitsDocument) -> HealthLimits:
    """Return the limits, the service's own where the document has none."""
    given = {
        name: value for name, value in msgspec.structs.asdict(document).items() if value is not None
    }
    stops = given.pop("stops", "expected")
    return HealthLimits(**given, stop_expected=stops == "expected")


def from_limits(limits: HealthLimits) -> HealthLimitsDocument:
    """Return all limits as a document."""
    shared = set(HealthLimitsDocument.__struct_fields__) - {"stops"}
    stops: Literal["expected", "optional"] = "expected" if limits.stop_expected else "optional"
    return HealthLimitsDocument(stops=stops, **{name: getattr(limits, name) for name in shared})
