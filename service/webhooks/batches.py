"""The next alerts of a webhook, read from the log: from a cursor on, as many as a call carries."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from service.contract.alerts import LEVEL_NAMES
from service.contract.cursor import Cursor, decode_cursor, encode_cursor
from service.contract.selection import Selection
from service.contract.silences import Silences
from service.store.alert_log import LogTail
from service.store.log_order import Entries, LogGap, LogOrder


@dataclass(frozen=True, slots=True)
class Size:
    """How much goes out at once: alerts or bytes, whichever are reached first."""

    alerts_max: int = 100
    bytes_max: int = 256 * 1_024
    scanned_max: int = 20_000  # alerts looked at for one batch, wanted or not


@dataclass(frozen=True, slots=True)
class LogState:
    """The log as the last look found it."""

    epoch: str
    tails: Sequence[LogTail]

    @property
    def ends(self) -> tuple[int, ...]:
        return tuple(tail.offset for tail in self.tails)

    def covers(self, cursor: Cursor) -> bool:
        """Return whether everything after the cursor is in the log, and the cursor is of it."""
        return (
            cursor.epoch == self.epoch
            and len(cursor.offsets) == len(self.tails)
            and all(map(LogTail.reaches, self.tails, cursor.offsets))
        )

    def beginning(self) -> str:
        """Return the cursor of everything that is still there."""
        return encode_cursor(self.epoch, [tail.trimmed for tail in self.tails])


@dataclass(frozen=True, slots=True)
class Batch:
    """Alerts (JSON) that a webhook wants, and the cursor up to which the log was looked at.

    Not `recovered`: the log no longer has what follows the cursor; it begins at `after`.
    """

    alerts: Sequence[bytes]
    after: str
    recovered: bool = True


async def next_batch(
    log: Entries,
    state: LogState,
    since: str,
    selection: Selection,
    *,
    silences: Silences,
    size: Size,
    kept: Callable[[bytes], bytes] = bytes,
    until: str | None = None,
) -> Batch:
    """Return what follows the cursor `since`: as much as goes out at once, or up to `until`.

    Between the same two cursors it is always the same. `kept` tells what of an alert (JSON) is
    needed. May raise StoreUnavailable.
    """
    start = decode_cursor(since)
    if not state.covers(start):
        return Batch((), state.beginning(), recovered=False)
    ends = state.ends if until is None else decode_cursor(until).offsets
    order, alerts, scanned, held = LogOrder(start.offsets), list[bytes](), 0, 0
    while order.offsets != ends and (until is not None or scanned < size.scanned_max):
        try:
            if await order.read(log, ends):
                break  # announced, and not there yet
        except LogGap:
            break  # trimmed meanwhile: the next look tells
        part = order.take(ends)
        for at, key in enumerate(part.keys):
            name = LEVEL_NAMES[part.levels[at]]
            if not (selection.wants_account(key) and selection.wants_level(name)):
                continue
            if not selection.silenced and silences.covers(
                selection.tenant, key, name, part.alerts[at]
            ):
                continue
            alerts.append(kept(part.alerts[at]))
            held += len(alerts[-1])
            full = len(alerts) == size.alerts_max or held >= size.bytes_max
            if full and until is None:
                return Batch(alerts, encode_cursor(state.epoch, part.offsets(at + 1)))
        scanned += len(part.keys)
    return Batch(alerts, encode_cursor(state.epoch, order.offsets))


def delivery_id(incarnation: str, after: str, doc: bytes) -> str:
    """Return a delivery's id: the same whenever the same is sent, so that repeats can be told."""
    named = b"%b\n%b\n%b" % (incarnation.encode(), after.encode(), doc)
    return "msg_" + hashlib.sha256(named).hexdigest()[:32]


def payload(webhook_id: str, begun_at_ms: int, batch: Batch) -> bytes:
    """Return the body of a call; the alerts are the log's own bytes."""
    told = {
        "type": "alerts",
        "timestamp": datetime.fromtimestamp(begun_at_ms / 1e3, UTC).isoformat(),
    }
    data = {"webhook": webhook_id, "recovered": batch.recovered, "cursor": batch.after}
    opening = msgspec.json.encode(told)[:-1] + b',"data":' + msgspec.json.encode(data)[:-1]
    return opening + b',"alerts":[' + b",".join(batch.alerts) + b"]}}"
