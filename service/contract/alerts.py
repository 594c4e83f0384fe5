"""An alert as it is logged and sent, and the level state of a pool as it is stored: the monitor
builds them, push and the API pass them on.

An alert is encoded once, by the monitor, and travels as those bytes: the log, `GET /v1/alerts` and
every WebSocket frame carry them unchanged.
So a field added here is a field everywhere, and the AsyncAPI document is written from these very
classes.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from service.contract.quality import QualityName
from service.risk.model import Level, PoolKey

LevelName: TypeAlias = Literal[
    "HEALTHY", "UNPRICED", "WARNING", "MARGIN_CALL", "LIQUIDATION", "BANKRUPT"
]
LEVEL_NAMES: tuple[LevelName, ...] = get_args(LevelName)  # by `Level`
assert tuple(level.name for level in Level) == LEVEL_NAMES
Side: TypeAlias = Literal["long", "short"]
Transition: TypeAlias = Literal["raised", "escalated", "eased", "resolved", "unpriced", "repeat"]
Cause: TypeAlias = Literal[
    "mark",
    "account",
    "instrument",
    "funding",
    "deposit",
    "withdrawal",
    "fee",
    "pnl",
    "time",
]
EpochMs: TypeAlias = Annotated[int, Meta(ge=0, description="epoch milliseconds")]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Number: TypeAlias = float | None

# An account may hold 100,000 positions and a frame 256 KiB: an alert names this many and counts
# the rest.
ALERT_POSITIONS_MAX = 500


class CrossPool(Struct, tag_field="kind", tag="cross", frozen=True, gc=False):
    """All cross positions that share collateral; `settle` is the asset its money is counted in
    (USD in multi mode)."""

    settle: str


class IsolatedPool(Struct, tag_field="kind", tag="isolated", frozen=True, gc=False):
    """One isolated position."""

    symbol: str
    side: Side
    settle: str


PoolName: TypeAlias = CrossPool | IsolatedPool


class PoolState(Struct, rename="camel", frozen=True, gc=False, omit_defaults=True):
    """The committed level of one pool that is not HEALTHY: what a restart goes on from and what a
    snapshot shows.

    A pool that is HEALTHY has no state (a pending fall only exists above HEALTHY).
    """

    pool: PoolName
    level: LevelName
    seq: Count = 0  # of the alert that brought it to this level
    since: EpochMs | None = None  # event time of that alert
    pending_since: EpochMs | None = None  # event time since which a fall is pending
    reminded_at: EpochMs | None = None  # event time of that alert's last reminder
    reminded_seq: Count = 0  # that reminder's seq
    acknowledged: bool = False  # that alert, or its last reminder


class Reduction(Struct, frozen=True, gc=False):
    """Closing this much of this position alone brings the pool back; null when closing all of it
    does not."""

    symbol: str
    side: Side
    contracts: Number


class ToRestore(Struct, frozen=True, gc=False):
    """What brings the pool back to HEALTHY: a deposit in its settle asset, or any one of the
    reductions."""

    deposit: Number
    reduce: list[Reduction]


class AlertPosition(Struct, rename="camel", frozen=True, gc=False):
    """A position of the pool at the moment of the alert; null is "there is none" or "not known"."""

    symbol: str
    side: Side
    mark_price: Number
    liquidation_price: Number
    bankruptcy_price: Number
    distance_pct: Number


class Alert(Struct, rename="camel", frozen=True, gc=False, omit_defaults=True):
    """One change of one pool's level (or a reminder of it, `repeat`). Money is in the pool's
    settle asset; NaN is written as null.

    `seq` counts by account without gaps and `id` is made of both, so deriving an alert again gives
    the same id.
    """

    id: str
    epoch: str
    account_id: str
    seq: Annotated[int, Meta(ge=1)]
    pool: PoolName
    level: LevelName
    previous_level: LevelName
    transition: Transition
    cause: Cause
    margin_ratio: Number
    equity: Number
    maintenance_margin: Number
    margin_deficit: Number
    shortfall: Number
    owed: Number
    to_restore: ToRestore | None
    positions: list[AlertPosition]  # at most ALERT_POSITIONS_MAX, the nearest to liquidation first
    market_id: Count
    account_version: Count
    event_time: EpochMs
    timestamp: EpochMs
    repeat_of: str | None = None
    positions_omitted: Count = 0
    quality: Annotated[
        QualityName, Meta(description="The worst of the marks it goes by; good where absent.")
    ] = "good"


ALERT_ID_PATTERN = r"^[A-Za-z0-9._:@-]{1,128}-[1-9][0-9]{0,14}$"
_ID = re.compile(r"([A-Za-z0-9._:@-]{1,128})-([1-9][0-9]{0,14})")
_ENCODER = msgspec.json.Encoder()
_ALERT_DECODER = msgspec.json.Decoder(Alert)
_STATES_DECODER = msgspec.json.Decoder(list[PoolState])


def alert_id(account_id: str, seq: int) -> str:
    """The id of an account's alert: the same however often it is derived or sent."""
    return f"{account_id}-{seq}"


def read_alert_id(alert: str) -> tuple[str, int] | None:
    """Return the account id and the seq that an alert's id is made of, None when it is none."""
    found = _ID.fullmatch(alert)
    return None if found is None else (found[1], int(found[2]))


def pool_name(key: PoolKey) -> PoolName:
    """Return the pool's name as alerts write it."""
    if key.kind == "cross":
        return CrossPool(key.settle)
    return IsolatedPool(key.symbol, "long" if key.side == "long" else "short", key.settle)


def pool_key(name: PoolName) -> PoolKey:
    """Return the model's key of a pool that an alert or a stored state names."""
    if isinstance(name, CrossPool):
        return PoolKey("cross", name.settle)
    return PoolKey("isolated", name.settle, name.symbol, name.side)


def encode_alert(alert: Alert) -> bytes:
    return _ENCODER.encode(alert)


def decode_alert(raw: bytes) -> Alert:
    """Raises msgspec.ValidationError when it is not an alert."""
    return _ALERT_DECODER.decode(raw)


def encode_state(state: PoolState) -> bytes:
    return _ENCODER.encode(state)


def join_states(encoded: Sequence[bytes]) -> bytes:
    """Return what the store keeps of one account, of its pools that are not HEALTHY in the
    account's pool order: b"" when there are none."""
    return b"[" + b",".join(encoded) + b"]" if encoded else b""


class _Named(Struct):
    id: str


_named = msgspec.json.Decoder(_Named)
IDS_TOLD_MAX = 20


def ids_of(encoded: Sequence[bytes]) -> list[str]:
    """Return the ids of the first alerts, as a log names them."""
    return [_named.decode(alert).id for alert in encoded[:IDS_TOLD_MAX]]


def decode_states(raw: bytes) -> list[PoolState]:
    return _STATES_DECODER.decode(raw)
