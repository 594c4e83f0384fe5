"""A bot's ear: prints the alerts of some accounts, none missed over restarts of bot or service.

    python print_alerts.py a1 a2          (no names: all accounts)

The cursor is kept in a file *after* an alert was dealt with; a new start resumes there.
"""

import contextlib
import os
import sys

from plimsoll import Alert, Client, Snapshot

URL = os.environ.get("PLIMSOLL_URL", "http://127.0.0.1:8000")
CURSOR = os.environ.get("PLIMSOLL_CURSOR", "cursor.txt")
TOKEN = os.environ.get("PLIMSOLL_TOKEN")


def show_alert(alert: Alert) -> None:
    deposit = alert.to_restore.deposit if alert.to_restore else None
    print(
        f"{alert.id}: {alert.account_id} {alert.previous_level} -> {alert.level},"
        f" margin ratio {alert.margin_ratio}, deposit to restore {deposit}",
        flush=True,
    )


def show_snapshot(snapshot: Snapshot) -> None:
    if snapshot.history_lost:
        print("alerts were missed that nobody has any more; this is how things stand", flush=True)
    for account in snapshot.accounts:
        print(f"{account.account_id} is at {account.level}", flush=True)


def follow(accounts: list[str]) -> None:
    with Client(URL, token=TOKEN) as client:
        for event in client.alerts(accounts, cursor_file=CURSOR):
            if isinstance(event, Snapshot):
                show_snapshot(event)
            else:
                show_alert(event)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        follow(sys.argv[1:] or ["*"])
