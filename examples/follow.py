"""A bot's ear: alerts of some accounts, none missed over restarts of bot, network or service.

    python examples/follow.py a1 a2          (no names: all accounts)

The cursor is kept in a file *after* an alert was dealt with; a new start resumes there.
"""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = os.environ.get("PLIMSOLL_STREAM", "ws://127.0.0.1:8000/v1/stream")
# Where the service wants one: a key with the scope alerts:read.
TOKEN = os.environ.get("PLIMSOLL_TOKEN")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
CURSOR = Path(os.environ.get("PLIMSOLL_CURSOR", "cursor.txt"))


def deal_with(alert: dict[str, Any]) -> None:
    """Put what your bot does here; it is called once for each alert."""
    restore = alert["toRestore"] or {}
    print(
        f"{alert['id']}: {alert['accountId']} {alert['previousLevel']} -> {alert['level']},"
        f" margin ratio {alert['marginRatio']}, deposit to restore {restore.get('deposit')}",
        flush=True,
    )


def subscription(accounts: list[str]) -> str:
    frame = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": accounts}
    if CURSOR.exists():
        frame["since"] = CURSOR.read_text()
    return json.dumps(frame)


def keep(cursor: str) -> None:
    """Replace the file in one step: a crash leaves the old cursor or the new one."""
    new = CURSOR.with_suffix(".new")
    new.write_text(cursor)
    new.replace(CURSOR)


async def follow(accounts: list[str]) -> None:
    while True:
        try:
            async with connect(URL, additional_headers=HEADERS) as socket:
                await socket.send(subscription(accounts))
                async for raw in socket:
                    frame = json.loads(raw)
                    for alert in frame.get("alerts", []):
                        deal_with(alert)
                    if frame.get("cursor"):
                        keep(frame["cursor"])
        except (ConnectionClosed, OSError) as error:
            if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code >= 4500:
                sys.exit(f"the service will not have us: {error.rcvd.reason}")
            print(f"connection lost ({error}); resuming", file=sys.stderr)
        await asyncio.sleep(1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1:] or ["*"]))
