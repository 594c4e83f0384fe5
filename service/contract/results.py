"""What the calls besides evaluate take and answer: results by item, lists, pages."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.accounts import AccountDocument
from service.contract.alerts import Alert, Count, EpochMs, LevelName, PoolState
from service.contract.evaluation import AccountAnswer, Figure
from service.contract.instruments import InstrumentDocument
from service.contract.marks import MarkDocument
from service.contract.names import Asset
from service.contract.numbers import Number
from service.contract.problems import ItemResult
from service.contract.quality import AllowsName, QualityName

Reason = Literal["funding", "deposit", "withdrawal", "fee", "pnl"]


class BatchResult(Struct):
    """Results in the order of the items."""

    accepted: int
    refused: int
    results: Annotated[
        list[ItemResult],
        Meta(
            description="Of NDJSON with more lines than a list may have items: of refused ones "
            "alone, and of as many as a list may have."
        ),
    ]


class AccountView(AccountDocument, rename="camel", omit_defaults=True, kw_only=True):
    """An account as it is stored."""

    id: str
    version: int


class WrittenAccount(Struct):
    """What a write made."""

    id: str
    version: int


class Adjustment(Struct):
    """A change of one balance; `reason` becomes the cause of what it moves."""

    asset: Asset
    delta: Number
    reason: Reason


class AdjustedAccount(Struct):
    """The balance after an adjustment."""

    id: str
    version: int
    asset: str
    amount: float


class RiskAnswer(AccountAnswer, rename="camel", kw_only=True):
    """One stored account, evaluated now, and where the monitor has its pools."""

    timestamp: int
    version: int
    monitored: Annotated[
        list[PoolState], Meta(description="Pools that the monitor has not at HEALTHY.")
    ]


class RiskUpdate(Struct, rename="camel", omit_defaults=True):
    """A stored account as it is now; `risk` is null where there is none of this id. What has more
    positions and pools than a frame holds is told without most of them, and how many: the nearest
    to liquidation and the worst are there."""

    account_id: str
    risk: RiskAnswer | None
    omitted: Count = 0


class RankedAccount(Struct, rename="camel"):
    """One account of a list by level; `marginRatio` is its worst pool's."""

    id: str
    level: LevelName
    margin_ratio: Figure


class RankedAccounts(Struct):
    """Accounts at or beyond a level, worst first; no cursor: these were all."""

    accounts: list[RankedAccount]
    cursor: str | None
    counts: (
        Annotated[
            dict[LevelName, int],
            Meta(description="Accounts by level, below the one asked for too; where asked for."),
        ]
        | None
    )


class MarksRequest(Struct):
    """Marks in the order they are to be taken."""

    marks: Annotated[list[MarkDocument], Meta(min_length=1)]


class MarkView(MarkDocument, rename="camel", omit_defaults=True, kw_only=True):
    """The newest mark of a symbol."""

    market_id: int
    event_time: int
    age_ms: int
    stale: bool
    quality: QualityName
    allows: Annotated[
        AllowsName, Meta(description="What accounts may be raised to by it: see docs/marks.md.")
    ]
    refused: Annotated[
        dict[str, int], Meta(description="Marks of it refused so far, by reason.")
    ] = msgspec.field(default_factory=dict)


class MarksView(Struct):
    """Newest marks, by venue and symbol."""

    marks: list[MarkView]


class InstrumentsView(Struct):
    """Stored instruments, by venue and symbol."""

    instruments: list[InstrumentDocument]


class AlertsPage(Struct):
    """Part of the alert log; `cursor` goes on behind it."""

    alerts: list[Alert]
    cursor: str
    recovered: Annotated[
        bool, Meta(description="False: the log no longer reaches back to `since`.")
    ]
    more: Annotated[bool, Meta(description="True: ask again at once with the cursor.")]


class AcknowledgedAlert(Struct, rename="camel"):
    """An alert that was acknowledged, and when that was done first."""

    id: str
    acknowledged_at: EpochMs


class Health(Struct):
    """How the service is; `monitors` says which account shards each of them serves."""

    status: Literal["ok", "degraded", "unavailable"]
    degraded: list[str] = msgspec.field(default_factory=list)
    reasons: list[str] = msgspec.field(default_factory=list)
    monitors: dict[str, list[int]] = msgspec.field(default_factory=dict)
