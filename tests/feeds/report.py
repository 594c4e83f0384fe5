"""`python -m tests.feeds.report`: every venue under every fault, as a table."""

import asyncio
import logging

from service.feeds.catalogue import FEEDS
from tests.feeds.faults import FAULTS, Outcome, case

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


async def _all() -> None:
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in FEEDS:
        for fault in FAULTS:
            print(f"| {' | '.join(row(await case(name, fault)))} |", flush=True)


if __name__ == "__main__":
    logging.disable()
    asyncio.run(_all())
