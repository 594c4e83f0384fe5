"""Every frame of `/v1/stream` as a class: what a client may send, what the service sends.

The AsyncAPI document is written from these, so a frame that is not here does not exist.

Frames that carry alerts are not built from `AlertsFrame` but spliced around the log's own bytes
(`push/bursts.py`); the class says their shape.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from service.contract.alerts import Alert, EpochMs, LevelName, PoolState
from service.contract.markets import ConditionName, MarketView
from service.contract.quality import QualityName
from service.contract.results import RiskUpdate

SUBSCRIPTION_ID_MAX = 64

SubscriptionId: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SUBSCRIPTION_ID_MAX,
        description="chosen by the client, unique within its connection",
    ),
]
AccountPattern: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9._:@-]{1,128}\*?|\*)$(?!\n)",
        description='an account id, a beginning of ids ("desk-7.*"), or "*" for all',
    ),
]
CursorText: TypeAlias = Annotated[
    str, Meta(description="opaque; give the last one dealt with back as `since`")
]
SymbolPattern: TypeAlias = Annotated[
    str, Meta(description='a symbol, or a beginning of symbols ("BTC/*")')
]
Channel: TypeAlias = Literal["alerts", "marks", "markets", "risk"]
ErrorCode: TypeAlias = Literal[
    "malformed_frame",
    "binary_frame",
    "invalid_frame",
    "unknown_op",
    "unknown_alert",
    "store_unavailable",
    "auth_not_configured",
    "already_authenticated",
    "missing_scope",
    "unknown_channel",
    "invalid_cursor",
    "duplicate_subscription",
    "unknown_subscription",
    "too_many_subscriptions",
    "too_many_accounts",
    "too_many_items",
]


class ClientFrame(Struct, tag_field="op", forbid_unknown_fields=False):
    """What every client frame has: an `op`. Fields we do not know are ignored."""


class Subscribe(ClientFrame, tag="subscribe"):
    """Start to listen. `accounts` is needed for `alerts` and `risk` (ids only); of `alerts` are
    `levels`, `since` and `silenced` (those under a silence too), of `marks` and `markets` is
    `symbols`; without them it is all."""

    id: SubscriptionId
    channel: str
    accounts: Annotated[list[AccountPattern], Meta(min_length=1)] | None = None
    levels: Annotated[list[LevelName], Meta(min_length=1)] | None = None
    since: CursorText | None = None
    silenced: bool | None = None
    symbols: Annotated[list[SymbolPattern], Meta(min_length=1)] | None = None


class Unsubscribe(ClientFrame, tag="unsubscribe"):
    """Stop listening; frames already on their way may still arrive before `unsubscribed`."""

    id: SubscriptionId


class Ping(ClientFrame, tag="ping"):
    """Answered by `pong`."""


class Auth(ClientFrame, tag="auth"):
    """The first frame of a connection without an Authorization header, within 10 s. It is not
    answered when the key is good; the connection is closed with 4501 when it is not. Later ones
    are refused, by a service that runs without keys with `auth_not_configured`."""

    token: str


class Acknowledge(ClientFrame, tag="ack"):
    """Somebody has dealt with an alert, or will. Answered by `acknowledged`, or by an error of code
    `unknown_alert` when the log has none of this id (any more). Doing it again changes nothing."""

    alert: Annotated[str, Meta(min_length=1, max_length=150)]


class ServerFrame(Struct, tag_field="type", rename="camel"):
    """What every frame of ours has: a `type`."""


class Subscribed(ServerFrame, tag="subscribed"):
    """The first frame of a subscription. `recovered`: everything after `since` follows, nothing is
    missing; otherwise the state now follows as a snapshot. `marks`, `markets` and `risk` have no
    log and no cursor."""

    id: SubscriptionId
    channel: Channel
    epoch: str
    recovered: bool
    cursor: CursorText | None


class AccountState(Struct, rename="camel", frozen=True):
    """An account that is not HEALTHY: its worst level and the pools that make it so."""

    account_id: str
    level: LevelName
    pools: list[PoolState]


class Snapshot(ServerFrame, tag="snapshot"):
    """The accounts of the subscription that are not HEALTHY; `complete` is false while more
    snapshot frames follow. An account with very many pools may come in several pieces."""

    id: SubscriptionId
    accounts: list[AccountState]
    complete: bool
    cursor: CursorText


class AlertsFrame(ServerFrame, tag="alerts"):
    """New alerts, in the order of market entries; of one entry worse levels first, then by account,
    whatever the shard. Monitors that share the accounts each send their part of an entry in this
    order."""

    id: SubscriptionId
    alerts: Annotated[list[Alert], Meta(min_length=1)]
    cursor: CursorText


class MarkUpdate(Struct, rename="camel", frozen=True, omit_defaults=True):
    """The newest mark of one (venue, symbol)."""

    venue: str
    symbol: str
    mark_price: float
    index_price: float | None = None
    last_price: float | None = None
    funding_rate: float | None = None
    timestamp: int | None = None
    source: str | None = None
    market_id: int | None = None
    event_time: EpochMs | None = None
    quality: QualityName = "good"
    open_interest: float | None = None
    day_volume: float | None = None


class MarksFrame(ServerFrame, tag="marks"):
    """The newest mark of each symbol that changed since the frame before; between two frames the
    latest wins."""

    id: SubscriptionId
    marks: Annotated[list[MarkUpdate], Meta(min_length=1)]


class MarketsFrame(ServerFrame, tag="markets"):
    """Markets in the condition they are in: first all of the subscription, then those that changed,
    each at most once a second; between two frames the latest wins."""

    id: SubscriptionId
    markets: Annotated[list[MarketView], Meta(min_length=1)]


class RiskFrame(ServerFrame, tag="risk"):
    """Accounts as they are now: first all of the subscription, then those that changed, each at
    most once a second; between two frames the latest wins."""

    id: SubscriptionId
    accounts: Annotated[list[RiskUpdate], Meta(min_length=1)]


class Heartbeat(ServerFrame, tag="heartbeat"):
    """Nothing to say for a while: the subscription lives, and this is how far it is."""

    id: SubscriptionId
    cursor: CursorText | None


class Unsubscribed(ServerFrame, tag="unsubscribed"):
    """The last frame of a subscription."""

    id: SubscriptionId


class Pong(ServerFrame, tag="pong"):
    """The answer to `ping`."""


class Notice(ServerFrame, tag="notice", omit_defaults=True):
    """A symbol went stale or is fresh again; a market's `condition` is outside its band, which ends
    at `limit`, or inside again, by `value`; or the service is about to restart in `inSeconds`."""

    notice: Literal["stale", "fresh", "outside", "inside", "restart"]
    venue: str | UnsetType = UNSET
    symbol: str | UnsetType = UNSET
    condition: ConditionName | UnsetType = UNSET
    value: float | UnsetType = UNSET
    limit: float | UnsetType = UNSET
    event_time: EpochMs | UnsetType = UNSET
    in_seconds: float | UnsetType = UNSET


class Acknowledged(ServerFrame, tag="acknowledged"):
    """The alert is acknowledged; the time is that of the first who did it."""

    alert: str
    acknowledged_at: EpochMs


class ErrorFrame(ServerFrame, tag="error", omit_defaults=True):
    """A client frame that was refused; `id` is its subscription's, or a batch's of marks, where it
    named one, `alert` is what an `ack` named."""

    code: ErrorCode
    detail: str
    id: str | UnsetType = UNSET
    alert: str | UnsetType = UNSET


CLIENT_FRAMES: tuple[type[ClientFrame], ...] = (Subscribe, Unsubscribe, Ping, Auth, Acknowledge)
SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    Subscribed,
    Snapshot,
    AlertsFrame,
    MarksFrame,
    MarketsFrame,
    RiskFrame,
    Heartbeat,
    Unsubscribed,
    Pong,
    Acknowledged,
    Notice,
    ErrorFrame,
)
_ENCODER = msgspec.json.Encoder()


def encode_frame(frame: ServerFrame) -> str:
    return _ENCODER.encode(frame).decode()
