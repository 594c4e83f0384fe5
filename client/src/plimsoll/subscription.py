"""What a subscription to alerts has been sent, over all its connections; no input or output here.

Two cursors. `position` stands behind all that was received whole: a new connection resumes there,
so nothing is yielded twice in a run. A batch's own cursor stands behind its events: it may be kept
once the consumer has dealt with them, so a crash repeats events and never leaves one out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll.alerts import AccountState, Alert, Event, Snapshot
from plimsoll.decoding import decode
from plimsoll.documents import Level
from plimsoll.errors import SubscriptionRefused, UnexpectedAnswer
from plimsoll.frames import (
    AlertsFrame,
    HeartbeatFrame,
    ServerFrame,
    SnapshotFrame,
    SubscribedFrame,
    SubscribeFrame,
)

_ID = "alerts"


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to deal with in this order; `cursor` stands behind them."""

    events: Sequence[Event]
    cursor: str


class Subscription:
    """Turns frames into events; make one a run, and `open` it once a connection."""

    def __init__(
        self, accounts: Sequence[str], levels: Sequence[Level] | None, since: str | None
    ) -> None:
        if isinstance(accounts, str):
            raise TypeError("`accounts` is a list of ids or patterns, not a text")
        self.position = since
        self._accounts = list(accounts)
        self._levels = None if levels is None else list(levels)
        self._last: dict[str, tuple[str, int]] = {}  # epoch and seq of an account's last alert
        self._epoch = ""
        self._snapshot: list[AccountState] = []

    def open(self) -> str:
        """Return the frame that begins the subscription on a new connection."""
        # Pieces of a snapshot that the last connection did not finish: it will come again whole,
        # because the position has not moved.
        self._snapshot = []
        frame: SubscribeFrame = {
            "op": "subscribe",
            "id": _ID,
            "channel": "alerts",
            "accounts": self._accounts,
            "levels": self._levels,
            "since": self.position,
        }
        return json.dumps(frame)

    def take(self, text: str | bytes) -> Batch | None:
        """Return what a frame brings, None when that is nothing.

        Raises SubscriptionRefused, and UnexpectedAnswer for what is no frame of the contract.
        Frames that we do not know are left out.
        """
        frame = _parse(text)
        try:
            return self._take(frame)
        except (KeyError, TypeError, AttributeError) as error:
            raise UnexpectedAnswer(f"this is no frame of the stream: {error!r}") from error

    def _take(self, frame: ServerFrame) -> Batch | None:
        if frame["type"] == "error":
            raise SubscriptionRefused(frame["code"], frame["detail"])
        if frame["type"] == "subscribed":
            return self._begin(frame)
        if frame["type"] == "snapshot":
            return self._add_to_snapshot(frame)
        if frame["type"] == "alerts":
            return self._alerts(frame)
        if frame["type"] == "heartbeat":
            return self._heartbeat(frame)
        return None

    def _begin(self, frame: SubscribedFrame) -> Batch | None:
        self._epoch = frame["epoch"]
        cursor = frame["cursor"]
        if not frame["recovered"] or cursor is None:
            return None  # nothing is dealt with before the snapshot has told what is missing
        return self._move([], cursor)

    def _add_to_snapshot(self, frame: SnapshotFrame) -> Batch | None:
        self._snapshot += [decode(AccountState, account) for account in frame["accounts"]]
        if not frame["complete"]:
            return None
        lost = self.position is not None
        snapshot = Snapshot(_joined(self._snapshot), lost, self._epoch)
        self._snapshot = []
        return self._move([snapshot], frame["cursor"])

    def _alerts(self, frame: AlertsFrame) -> Batch:
        alerts = [decode(Alert, document) for document in frame["alerts"]]
        return self._move([alert for alert in alerts if self._is_new(alert)], frame["cursor"])

    def _heartbeat(self, frame: HeartbeatFrame) -> Batch | None:
        return None if frame["cursor"] is None else self._move([], frame["cursor"])

    def _move(self, events: Sequence[Event], cursor: str) -> Batch:
        self.position = cursor
        return Batch(events, cursor)

    def _is_new(self, alert: Alert) -> bool:
        """The service may send an alert again; a new epoch may give its seq to another one."""
        epoch, seq = self._last.get(alert.account_id, ("", 0))
        if alert.epoch == epoch and alert.seq <= seq:
            return False
        self._last[alert.account_id] = (alert.epoch, alert.seq)
        return True


def _parse(text: str | bytes) -> ServerFrame:
    try:
        frame: Any = json.loads(text)
    except ValueError as error:
        raise UnexpectedAnswer("a frame is no JSON") from error
    if not isinstance(frame, dict) or "type" not in frame:
        raise UnexpectedAnswer("a frame has no type")
    return frame  # type: ignore[return-value] # whatever fails to be one is noticed as it is read


def _joined(pieces: list[AccountState]) -> list[AccountState]:
    """Put accounts together that came in several pieces, one after the other."""
    joined: list[AccountState] = []
    for piece in pieces:
        if joined and joined[-1].account_id == piece.account_id:
            joined[-1].pools.extend(piece.pools)
        else:
            joined.append(piece)
    return joined
