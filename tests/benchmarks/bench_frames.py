"""What somebody waits for who has a table of positions and wants it back with its figures.

Positions and balances are DataFrames (polars), and so is the answer, every field of every position.
In Arrow, and in columns of JSON, beside accounts in rows: the client's own work is counted, as
short as we know to write it, with orjson. Each way is asked in turns on one connection.
"""

import asyncio
import gc
import io
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import orjson
import polars as pl
import pyarrow as pa

from service.api.bodies import ARROW
from tests.benchmarks.bench_evaluate import SEED
from tests.benchmarks.bench_rows import Worker, in_columns, instruments, request_of, rows_worker
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_service import whole_service

COUNTS: dict[Size, tuple[int, ...]] = {"small": (100,), "full": (1_000, 10_000)}
ROUNDS, CALLS = 5, 5
PATH = "/v1/evaluate"
_OWN = ("symbol", "entryPrice", "marginMode", "leverage")  # of a position, the same in each form


def run(size: Size) -> Iterator[Measurement]:
    yield from asyncio.run(_measured(size))


async def _measured(size: Size) -> list[Measurement]:
    async with whole_service() as service:
        await service.fill(instruments(), [])
        with rows_worker(f"unix://{service.socket}") as worker:
            found = [each for count in COUNTS[size] for each in _compared(worker, count)]
        service.check_log()
        return found


class Tables:
    """What is asked: positions, balances, and the marks of all symbols."""

    def __init__(self, positions: int) -> None:
        asked = orjson.loads(in_columns(request_of(positions)))
        self.positions = pl.DataFrame(asked["columns"])
        self.balances = pl.DataFrame(asked["balanceColumns"])
        self.marks = asked["marks"]


def _compared(worker: Worker, positions: int) -> Iterator[Measurement]:
    tables = Tables(positions)
    ways = {"Arrow": in_arrow, "columns": in_json_columns, "rows": in_rows}
    asks = {name: partial(way, worker, tables) for name, way in ways.items()}
    answers = {name: ask() for name, ask in asks.items()}
    theirs = answers["rows"]
    took_s: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, ask in asks.items():
            took_s[name].append(_median_s(ask))
    for name in ("Arrow", "columns"):
        figures = answers[name].select(theirs.columns)
        assert figures.cast(theirs.schema).equals(theirs, null_equal=True), name
        yield Measurement(
            f"a DataFrame evaluated, in {name}",
            {"positions": positions, "fields": theirs.width},
            SEED,
            statistics.median(took_s[name]),
            "the same in rows, every field of every position",
            statistics.median(took_s["rows"]),
            hash_of(theirs["notional"].to_numpy()),
        )


def _median_s(ask: Callable[[], object]) -> float:
    """Return the median time of a few calls; the garbage of others is not theirs."""
    took_s = []
    for _ in range(CALLS):
        gc.collect()
        began_s = time.perf_counter()
        ask()
        took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s)


def in_arrow(worker: Worker, tables: Tables) -> pl.DataFrame:
    """Ask with two streams, the marks in the metadata of the first."""
    body = io.BytesIO()
    question = {"plimsoll": orjson.dumps({"marks": tables.marks})}
    first = tables.positions.to_arrow().replace_schema_metadata(question)
    with pa.ipc.new_stream(body, first.schema) as stream:
        stream.write_table(first)
    tables.balances.write_ipc_stream(body)
    return pl.read_ipc_stream(worker.call("POST", PATH, body.getvalue(), ARROW))


def in_json_columns(worker: Worker, tables: Tables) -> pl.DataFrame:
    asked = {
        "columns": tables.positions.to_dict(as_series=False),
        "balanceColumns": tables.balances.to_dict(as_series=False),
        "marks": tables.marks,
    }
    answer = orjson.loads(worker.call("POST", PATH, orjson.dumps(asked)))
    return pl.DataFrame(answer["positions"])


def in_rows(worker: Worker, tables: Tables) -> pl.DataFrame:
    accounts: dict[str, dict[str, Any]] = {}
    for row in tables.positions.iter_rows(named=True):
        name, quantity = row["accountId"], row["quantity"]
        if name not in accounts:
            accounts[name] = {"id": name, "positions": [], "balances": []}
        side = "long" if quantity > 0 else "short"
        position = {"side": side, "contracts": abs(quantity)} | {each: row[each] for each in _OWN}
        accounts[name]["positions"].append(position)
    for row in tables.balances.iter_rows(named=True):
        balance = {"asset": row["asset"], "amount": row["amount"]}
        accounts[row["accountId"]]["balances"].append(balance)
    asked = {"accounts": list(accounts.values()), "marks": tables.marks}
    answer = orjson.loads(worker.call("POST", PATH, orjson.dumps(asked)))
    held = list(chain.from_iterable(account["positions"] for account in answer["accounts"]))
    return pl.DataFrame({name: [row[name] for row in held] for name in held[0]})
