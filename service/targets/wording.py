"""Alerts in words: how many pools are at which level, and the worst of them by name."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from service.contract.alerts import LEVEL_NAMES, IsolatedPool, LevelName, PoolName
from service.contract.targets import Kind, Notification

NAMED_MAX = 10
_RANK = {name: rank for rank, name in enumerate(LEVEL_NAMES)}
_KINDS: dict[LevelName, Kind] = {
    "HEALTHY": "success",
    "UNPRICED": "warning",
    "WARNING": "warning",
    "MARGIN_CALL": "failure",
    "LIQUIDATION": "failure",
    "BANKRUPT": "failure",
}
_GAP = (
    "Alerts before these are no longer in the log: they were not told here, and are not going "
    "to be. Look at the accounts themselves."
)


class _Deposit(Struct, frozen=True):
    deposit: float | None


class _Told(Struct, rename="camel", frozen=True):
    """What is told of an alert."""

    account_id: str
    pool: PoolName
    level: LevelName
    previous_level: LevelName
    margin_ratio: float | None
    to_restore: _Deposit | None

    @property
    def rank(self) -> tuple[int, float]:
        """The worst last: by level, then by ratio, of which there is none beyond equity 0."""
        return _RANK[self.level], math.inf if self.margin_ratio is None else self.margin_ratio


_decoder = msgspec.json.Decoder(_Told)
_encoder = msgspec.json.Encoder()


def kept_of(alert: bytes) -> bytes:
    """Return of an alert (JSON) what is told of it: a burst may have a hundred thousand."""
    return _encoder.encode(_decoder.decode(alert))


def notification_of(alerts: Sequence[bytes], *, recovered: bool) -> Notification:
    """Return one message for all of these (JSON, in order); each pool counts as it is now."""
    told = map(_decoder.decode, alerts)
    newest = {(each.account_id, _encoder.encode(each.pool)): each for each in told}
    pools = sorted(newest.values(), key=lambda each: each.rank, reverse=True)
    lines = [_line(each) for each in pools[:NAMED_MAX]]
    if len(pools) > NAMED_MAX:
        lines.append(f"and {len(pools) - NAMED_MAX:,} more")
    if not recovered:
        lines.append(_GAP)
    worst: Kind = _KINDS[pools[0].level] if pools else "warning"
    title = f"Plimsoll: {_counts(pools)}" if pools else "Plimsoll: alerts were missed"
    return Notification(worst, title, "\n".join(lines), len(alerts))


def _counts(pools: Iterable[_Told]) -> str:
    found = Counter(each.level for each in pools)
    by_level = sorted(found.items(), key=lambda item: _RANK[item[0]], reverse=True)
    return ", ".join(f"{count:,} {level}" for level, count in by_level)


def _line(told: _Told) -> str:
    pool = told.pool
    where = f"{pool.symbol} {pool.side}" if isinstance(pool, IsolatedPool) else f"{pool.settle}"
    parts = [f"{told.account_id} ({where}): {told.level}"]
    if told.previous_level != told.level:
        parts.append(f"was {told.previous_level}")
    if told.margin_ratio is not None:
        parts.append(f"margin ratio {told.margin_ratio:.4g}")
    if told.to_restore is not None and told.to_restore.deposit:
        parts.append(f"a deposit of {told.to_restore.deposit:,.2f} {pool.settle} restores it")
    return ", ".join(parts)
