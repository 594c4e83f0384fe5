"""A process of bots, each with the distribution's own client: what they are given is written down.

`python -m tests.simulation.bots URL DIRECTORY ACCOUNT...`; whoever starts it again finds in each
bot's file how far that was, and its client's cursor beside it.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from plimsoll import Alert, AsyncClient

_STARTED = "started"
_NO_ALERT = "-"


@dataclass(frozen=True, slots=True)
class Given:
    """What a bot was given: ids in order, each once, and how often one came again.

    `repeated` are those that came again after a death of the process, whose cursor is older than
    what it did last; `doubled` those that came again without one, `other` what was no alert.
    """

    ids: list[str]
    repeated: int
    doubled: int
    other: int


def record_of(directory: Path, account: str) -> Path:
    """Return the file of the bot of an account."""
    return directory / f"{account}.heard"


def cursor_of(directory: Path, account: str) -> Path:
    """Return where the bot's client keeps its cursor."""
    return directory / f"{account}.cursor"


def given(directory: Path, account: str) -> Given:
    """Return what a bot wrote down, over all its lives."""
    record = record_of(directory, account)
    lines = record.read_text().splitlines() if record.exists() else []
    seen: dict[str, None] = {}
    life: set[str] = set()
    repeated = doubled = other = 0
    for line in lines:
        if line == _STARTED:
            life = set()
        elif line == _NO_ALERT:
            other += 1
        else:
            doubled += line in life
            repeated += line in seen and line not in life
            life.add(line)
            seen[line] = None
    return Given(list(seen), repeated, doubled, other)


async def listen(url: str, directory: Path, account: str) -> None:
    """Deal with an account's alerts for ever."""
    kept = cursor_of(directory, account)
    with record_of(directory, account).open("ab", buffering=0) as file:
        file.write(f"{_STARTED}\n".encode())  # a line is one write: a kill does not halve it
        async with AsyncClient(url) as client:
            async for event in client.alerts(
                [account], cursor_file=kept, reconnect_delay_max_s=0.5
            ):
                line = event.id if isinstance(event, Alert) else _NO_ALERT
                file.write(f"{line}\n".encode())


async def main(url: str, directory: str, *accounts: str) -> None:
    await asyncio.gather(*(listen(url, Path(directory), account) for account in accounts))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
