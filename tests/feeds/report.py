"""`python -m tests.feeds.report`: every venue under every fault, as a table."""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from service.feeds.catalogue import FEEDS
from service.store.client import connect
from tests.feeds.faults import FAULTS, Outcome, case, gate_of_feeds
from tests.valkey_cluster import AnyServer, server_to_test

COLUMNS = ("venue", "fault", "marks", "wrong", "refused", "reconnects", "clock ms", "well after s")


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return an outcome as the table has it."""
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(outcome.refused.items()))
    return (
        outcome.venue,
        outcome.fault,
        str(outcome.through),
        str(outcome.wrong),
        refused or "-",
        str(outcome.reconnects),
        "-" if outcome.offset_ms is None else f"{outcome.offset_ms:,.0f}",
        f"{outcome.recovered_s:.2f}",
    )


async def _all(server: AnyServer) -> None:
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in FEEDS:
        for fault in FAULTS:
            server.flush()
            async with connect(server.url) as client:
                outcome = await case(name, fault, gate_of_feeds(client))
            print(f"| {' | '.join(row(outcome))} |", flush=True)


if __name__ == "__main__":
    logging.disable()
    with TemporaryDirectory() as folder:
        server = server_to_test(Path(folder), appendfsync="no")
        server.start()
        try:
            asyncio.run(_all(server))
        finally:
            server.stop()
