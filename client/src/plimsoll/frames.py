"""The frames of `/v1/stream` that a subscription to alerts sends and reads, as they are sent."""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from plimsoll.documents import Level


class SubscribeFrame(TypedDict):
    """Start to listen; an account is an id, a beginning of ids ("desk-7.*") or "*"."""

    op: Literal["subscribe"]
    id: str
    channel: str
    accounts: NotRequired[list[str] | None]
    levels: NotRequired[list[Level] | None]
    since: NotRequired[str | None]


class SubscribedFrame(TypedDict):
    """The first frame of a subscription; not `recovered`: a snapshot follows."""

    type: Literal["subscribed"]
    id: str
    channel: Literal["alerts", "marks", "markets", "risk"]
    epoch: str
    recovered: bool
    cursor: str | None


class SnapshotFrame(TypedDict):
    """Part of a snapshot, its last one when `complete`."""

    type: Literal["snapshot"]
    id: str
    accounts: list[dict[str, Any]]
    complete: bool
    cursor: str


class AlertsFrame(TypedDict):
    """New alerts; the cursor stands behind the last of them."""

    type: Literal["alerts"]
    id: str
    alerts: list[dict[str, Any]]
    cursor: str


class HeartbeatFrame(TypedDict):
    """Nothing to say for a while, up to this cursor."""

    type: Literal["heartbeat"]
    id: str
    cursor: str | None


class ErrorFrame(TypedDict):
    """The subscription was refused."""

    type: Literal["error"]
    code: str
    detail: str
    id: NotRequired[str]
    alert: NotRequired[str]


ServerFrame: TypeAlias = SubscribedFrame | SnapshotFrame | AlertsFrame | HeartbeatFrame | ErrorFrame
