"""What is watched as JSON, an object a line: alerts, accounts as they change, live or not."""

import msgspec

from service.contract.alerts import Alert, encode_alert
from service.watching.picture import Picture, Row


class Lines:
    """Turns a picture's news into lines; what has not changed is not said again."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._told: dict[str, Row] = {}
        self._live: bool | None = None

    def alerts(self, alerts: list[Alert]) -> list[str]:
        """Return a line an alert: the alert as it was logged, with a type."""
        return ['{"type":"alert",' + encode_alert(alert)[1:].decode() for alert in alerts]

    def accounts(self) -> list[str]:
        """Return a line for each account that is new or another than it was, or has left."""
        rows = {row.account_id: row for row in self._picture.rows}
        lines = [
            _encoded({"type": "account"} | _told(row))
            for name, row in rows.items()
            if _without_age(self._told.get(name)) != _without_age(row)
        ]
        lines += [
            _encoded({"type": "left", "accountId": name}) for name in self._told if name not in rows
        ]
        self._told = rows
        return lines

    def state(self) -> list[str]:
        """Return a line when it is live from now on, or no longer."""
        live = self._picture.live
        if live is self._live:
            return []
        self._live = live
        said = {"type": "live", "live": live, "url": self._picture.url}
        return [_encoded(said if live else said | {"reason": self._picture.why_not})]


def _told(row: Row) -> dict[str, object]:
    near = row.nearest
    nearest = None
    if near is not None:
        nearest = {
            "symbol": near.symbol,
            "side": near.side,
            "liquidationPrice": near.price,
            "distancePct": near.distance_pct,
        }
    return {
        "accountId": row.account_id,
        "level": row.level,
        "marginRatio": row.margin_ratio,
        "nearest": nearest,
        "markAgeMs": row.mark_age_ms,
    }


def _without_age(row: Row | None) -> tuple[object, ...] | None:
    return None if row is None else (row.level, row.margin_ratio, row.nearest)


def _encoded(said: dict[str, object]) -> str:
    return msgspec.json.encode(said).decode()
