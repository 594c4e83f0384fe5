"""Ours beside what others compute of the same positions: the answers first, then the time.

`python -m loadtests.peers` makes the peers' environment in out/peers the first time (some minutes),
then prints one JSON line a comparison. Calls to ours and to the peer take turns. Ours is asked for
all it answers, and for the figures that the peer has, in every form it takes.
"""

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

from loadtests.peers import forms
from loadtests.peers import positions as book
from loadtests.servers import ROOT, application, service
from loadtests.wire import Connection

HERE = Path(__file__).parent
ENVIRONMENT = ROOT / "out" / "peers"
MANY = 1_000
ROUNDS, SECONDS, CALLS, CONNECTIONS = 5, 2.0, 300, 2
CLOSE, CENT = 1e-9, 1e-6  # relative; of money that a peer rounds
OBVIOUS = "the service most people would write"
Row = dict[str, Any]
Asked = tuple[str, forms.Form]  # who is asked, and how


def peers_python() -> str:
    """Return the Python of the peers' environment, after making it where it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    made = ENVIRONMENT / "made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        wanted = ["-r", str(HERE / "requirements.txt")]
        command = [str(python), "-m", "pip", "install", "--quiet", *wanted]
        subprocess.run([*command, "--disable-pip-version-check"], check=True)
        made.touch()
    return str(python)


def ask(url: str, form: forms.Form) -> list[Row]:
    """Return the rows of all positions, in each account by symbol."""
    with closing(Connection(url)) as connection:
        return form.rows_of(connection.call(form.request))


def positions_of(accounts: Sequence[Row]) -> list[Row]:
    """Return the positions of all accounts, in each by symbol."""
    return [position for account in accounts for position in account["positions"]]


def tier_of(notional: float) -> int:
    return next(index for index, tier in enumerate(book.TIERS) if notional <= tier[0])


def close(one: float, other: float, absolute: float = 0.0) -> bool:
    return abs(one - other) <= max(CLOSE * abs(one), absolute)


def prices_agree(
    ours: Sequence[Row], theirs: Sequence[float], held: Sequence[Row], tiers: Sequence[int]
) -> Row:
    """Count the liquidation prices of positions `held` that agree, and why others do not.

    A formula with one tier is right where the position is in that tier at its liquidation price. Of
    a position that can be liquidated at its mark ours says that instead of a price.
    """
    found: Counter[str] = Counter()
    for row, price, position, tier in zip(ours, theirs, held, tiers, strict=True):
        if row["liquidationPriceReason"] == "already_liquidatable":
            found["prices_already_passed"] += 1
        elif close(row["liquidationPrice"], price):
            found["prices_agree"] += 1
        else:
            assert tier_of(position["contracts"] * row["liquidationPrice"]) != tier, (row, price)
            found["prices_of_another_tier"] += 1
    return dict(found)


def calls_per_s(url: str, request: bytes) -> float:
    """Return what several connections get answered in a while, each asking again at once."""

    def caller(until: float) -> int:
        with closing(Connection(url)) as connection:
            calls = 0
            while time.perf_counter() < until:
                connection.call(request)
                calls += 1
            return calls

    start = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        calls = sum(pool.map(caller, repeat(start + SECONDS, CONNECTIONS)))
    return calls / (time.perf_counter() - start)


def median_ms(url: str, request: bytes) -> float:
    taken = []
    with closing(Connection(url)) as connection:
        for _ in range(CALLS):
            start = time.perf_counter()
            connection.call(request)
            taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e3


def in_turns(measure: Any, asked: Sequence[Asked]) -> list[float]:
    """Return each server's median of ROUNDS turns."""
    rounds = [[measure(url, form.request) for url, form in asked] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def compare_services(ours: str, peer: str) -> Iterator[Row]:
    for count in (MANY, 1):
        accounts = book.accounts(count)
        asked, held = forms.of(accounts), positions_of(accounts)
        theirs = ask(peer, asked[0])
        for form in asked if count > 1 else asked[:2]:
            rows = ask(ours, form)
            line = {"peer": OBVIOUS, "positions": count, "seed": book.SEED, "form": form.name}
            yield line | _agreed(rows, theirs, held) | _timed(count, (ours, form), (peer, asked[0]))


def _agreed(rows: Sequence[Row], theirs: Sequence[Row], held: Sequence[Row]) -> Row:
    """Assert that margins agree, and count the prices."""
    for row, their in zip(rows, theirs, strict=True):
        assert (row["symbol"], row["side"]) == (their["symbol"], their["side"])
        for name in ("notional", "unrealizedPnl", "maintenanceMargin"):
            assert close(row[name], their[name], CENT), (name, row, their)
    prices = [row["liquidationPrice"] for row in theirs]
    return prices_agree(rows, prices, held, [tier_of(row["notional"]) for row in theirs])


def _timed(count: int, ours: Asked, peer: Asked) -> Row:
    if count > 1:
        mine, other = in_turns(calls_per_s, (ours, peer))
        return _throughput(mine * count, other * count)
    mine, other = in_turns(median_ms, (ours, peer))
    return {"ours_p50_ms": mine, "peer_p50_ms": other, "times": other / mine}


def compare_packages(ours: str, python: str) -> Iterator[Row]:
    """Each package's function alone, in its process, beside a call of ours over HTTP."""
    accounts = book.accounts(MANY)
    whole = forms.of(accounts)[0]
    rows = ask(ours, whole)
    command = [python, "-m", "loadtests.peers.packages"]
    said = subprocess.run(command, cwd=ROOT, input=orjson.dumps(accounts), stdout=-1, check=True)
    found = orjson.loads(said.stdout)
    mine = in_turns(calls_per_s, [(ours, whole)])[0] * MANY
    held = positions_of(accounts)
    prices, tiers = found["freqtrade"]["figures"], [tier_of(row["margin"]) for row in held]
    line = {"positions": MANY, "seed": book.SEED}
    yield (
        {"peer": "freqtrade's liquidation price, in its process"}
        | line
        | prices_agree(rows, prices, held, tiers)
        | _throughput(mine, MANY / found["freqtrade"]["seconds"])
    )
    margins = found["nautilus_trader"]["figures"]
    first = [tier_of(row["notional"]) == 0 for row in rows]
    for row, margin, in_first in zip(rows, margins, first, strict=True):
        assert not in_first or close(row["maintenanceMargin"], margin, CENT), (row, margin)
    yield (
        {"peer": "NautilusTrader's maintenance margin at one rate, in its process"}
        | line
        | {"margins_agree": sum(first), "margins_of_another_tier": MANY - sum(first)}
        | _throughput(mine, MANY / found["nautilus_trader"]["seconds"])
    )


def _throughput(ours: float, peer: float) -> Row:
    return {"ours_positions_per_s": ours, "peer_positions_per_s": peer, "times": ours / peer}


def main() -> None:
    python = peers_python()
    with ExitStack() as stack:
        ours = stack.enter_context(service())
        peer = stack.enter_context(
            application("loadtests.peers.obvious:build_app", "/ready", python)
        )
        headers = {"Content-Type": "application/json"}
        body = orjson.dumps(book.instruments())
        urlopen(Request(f"{ours}/v1/instruments", body, headers, method="PUT")).close()
        for lines in (compare_services(ours, peer), compare_packages(ours, python)):
            for line in lines:
                print(orjson.dumps(line).decode(), flush=True)


if __name__ == "__main__":
    main()
