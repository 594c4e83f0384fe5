"""One question about the positions in every form that ours takes, whole and for a few fields."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
import pyarrow as pa

from loadtests.wire import request_of

ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
PATH = "/v1/evaluate"
# What the service most people would write answers, and why there is no price.
FIELDS = (
    "symbol",
    "side",
    "notional",
    "unrealizedPnl",
    "maintenanceMargin",
    "marginRatio",
    "liquidationPrice",
    "liquidationPriceReason",
)
SOME = f"{PATH}?fields=" + ",".join(f"positions.{field}" for field in FIELDS)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A request as it stands on the wire, and how its answer is read: the rows of positions."""

    name: str
    request: bytes
    rows_of: Callable[[bytes], list[Row]]


def of(accounts: list[Row]) -> list[Form]:
    """Return the forms of one question; the first is the one that peers understand."""
    rows, columns, tables = _in_rows(accounts), _in_columns(accounts), _in_arrow(accounts)
    return [
        Form("rows, all fields", request_of(PATH, rows), _of_rows),
        Form("rows", request_of(SOME, rows), _of_rows),
        Form("columns", request_of(SOME, columns), _of_columns),
        Form("Arrow", request_of(SOME, tables, ARROW), _of_arrow),
    ]


def _in_rows(accounts: list[Row]) -> bytes:
    return orjson.dumps({"accounts": accounts})


def _in_columns(accounts: list[Row]) -> bytes:
    positions, venues = _tables(accounts)
    return orjson.dumps({"columns": positions, "accountColumns": venues})


def _in_arrow(accounts: list[Row]) -> bytes:
    sink = pa.BufferOutputStream()
    for columns in _tables(accounts):
        arrays = {name: pa.array(column) for name, column in columns.items()}
        for name, array in arrays.items():
            arrays[name] = array.dictionary_encode() if array.type == pa.string() else array
        table = pa.table(arrays)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _tables(accounts: list[Row]) -> tuple[Row, Row]:
    """Return the columns of positions, and those of accounts."""
    rows = [(each["id"], row) for each in accounts for row in each["positions"]]
    copied = ("symbol", "entryPrice", "markPrice", "leverage", "marginMode", "margin")
    signs = {"long": 1.0, "short": -1.0}
    positions = {
        "accountId": [name for name, _ in rows],
        "quantity": [signs[row["side"]] * row["contracts"] for _, row in rows],
        **{name: [row[name] for _, row in rows] for name in copied},
    }
    venues = {name: [each[name] for each in accounts] for name in ("id", "venue")}
    return positions, venues


def _of_rows(answer: bytes) -> list[Row]:
    accounts = orjson.loads(answer)["accounts"]
    held = (sorted(each["positions"], key=itemgetter("symbol")) for each in accounts)
    return list(chain.from_iterable(held))


def _of_columns(answer: bytes) -> list[Row]:
    table = orjson.loads(answer)["positions"]
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _of_arrow(answer: bytes) -> list[Row]:
    rows: list[Row] = pa.ipc.open_stream(answer).read_all().to_pylist()
    return rows
