"""An evaluation in Arrow says what the same one in JSON columns says, and no bytes break it."""

import io
import random
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import polars as pl
import pyarrow as pa
import pytest

from service.api import arrow_form
from service.api.bodies import ARROW
from service.contract.arrow_messages import MESSAGES_MAX
from service.contract.arrow_request import read_arrow
from service.errors import InvalidInput, MalformedBody, ServiceError
from tests.api.test_columns import ACCOUNTS, BALANCES, BTC, COLUMNS, ETH, INSTRUMENTS, call, told
from tests.api.workers import errors_of

pytestmark = pytest.mark.anyio

TYPE = {"content-type": ARROW}
TABLES = ("accounts", "pools", "positions", "reductions")
QUESTION = {"plimsoll": orjson.dumps({"instruments": INSTRUMENTS})}


def positions(**other: Any) -> pa.Table:
    """The positions of the test of columns; numbers are numbers here."""
    columns = COLUMNS | {"quantity": [1.5, -2, 0.25, 0, -0.5]} | other
    return pa.table({name: column for name, column in columns.items() if column is not None})


def stream(*tables: Any, rows: int | None = None, **options: Any) -> bytes:
    """Return tables as streams, the first with what else is asked."""
    sink = pa.BufferOutputStream()
    for number, each in enumerate(tables):
        table = pa.table(each)
        table = table if number else table.replace_schema_metadata(QUESTION)
        how = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_stream(sink, table.schema, options=how) as writer:
            writer.write_table(table, max_chunksize=rows)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def read(body: bytes) -> Iterator[pa.Table]:
    source = pa.BufferReader(body)
    while source.tell() < len(body):
        yield pa.ipc.open_stream(source).read_all()


def body(**other: Any) -> bytes:
    return stream(positions(**other), BALANCES, ACCOUNTS)


async def post(client: httpx.AsyncClient, content: bytes, query: str = "") -> httpx.Response:
    return await client.post(f"/v1/evaluate{query}", content=content, headers=TYPE)


def listed(column: list[Any], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(column[:2], kind), pa.array(column[2:], kind)])


DICTIONARY = pa.dictionary(pa.int8(), pa.large_string())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), DICTIONARY])
@pytest.mark.parametrize("rows", [None, 2])
async def test_it_says_what_json_says(
    alone: httpx.AsyncClient, kind: pa.DataType, rows: int | None
) -> None:
    words = {name: listed(COLUMNS[name], kind) for name in ("accountId", "symbol", "marginMode")}
    content = stream(positions(**words), BALANCES, ACCOUNTS, rows=rows)
    response = await post(alone, content, "?table=all")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == ARROW
    theirs = await told(alone, call())
    for name, table in zip(TABLES, read(response.content), strict=True):
        assert table.to_pydict() == theirs[name]
        assert int(table.schema.metadata[b"timestamp"]) >= theirs["timestamp"] - 60_000
        assert table.to_pandas().shape == table.shape  # categories are not there twice
        (alone_,) = read((await post(alone, content, f"?table={name}")).content)
        assert alone_.equals(table)
    (default,) = read((await post(alone, content)).content)
    assert default.to_pydict() == theirs["positions"]


async def test_who_asks_in_one_may_be_answered_in_the_other(alone: httpx.AsyncClient) -> None:
    theirs = await told(alone, call())
    response = await alone.post("/v1/evaluate", json=call(), headers={"accept": ARROW})
    (table,) = read(response.content)
    assert table.to_pydict() == theirs["positions"]
    headers = TYPE | {"accept": "application/json"}
    response = await alone.post("/v1/evaluate", content=body(), headers=headers)
    assert response.json()["positions"] == theirs["positions"]
    response = await post(alone, body(), "?table=balances")
    assert errors_of(response) == [("?table", "invalid_value")]


async def test_a_column_may_be_of_whole_numbers_of_nothing_or_of_no_name_of_ours(
    alone: httpx.AsyncClient,
) -> None:
    columns = {"entryPrice": pa.array([60_000, 3_000, 2_900, 1, 61_000], pa.uint16())}
    columns |= {"contractSize": pa.nulls(5), "__index_level_0__": pa.array([[1]] * 5)}
    response = await post(alone, body(**columns))
    assert response.status_code == 200, response.text
    (table,) = read(response.content)
    assert table.to_pydict() == (await told(alone, call()))["positions"]


async def test_polars_writes_what_is_read_and_reads_what_is_written(
    alone: httpx.AsyncClient,
) -> None:
    columns = COLUMNS | {"quantity": [1.5, -2, 0.25, 0, -0.5], "contractSize": [1.0] * 5}
    sent = io.BytesIO()
    table = pl.DataFrame(columns).with_columns(pl.col("symbol").cast(pl.Categorical))
    table.write_ipc_stream(sent)
    response = await post(alone, sent.getvalue())
    assert response.status_code == 503  # nobody has said what is traded: all else is good
    response = await post(alone, body())
    answer = pl.read_ipc_stream(response.content)
    assert answer["symbol"].to_list() == [BTC, ETH, ETH, BTC]


NAN = float("nan")


@pytest.mark.parametrize(
    ("columns", "pointer", "code"),
    [
        ({"entryPrice": [1, 2, 0, 1, 1]}, "/columns/entryPrice/2", "out_of_range"),
        ({"entryPrice": [1, 2, None, 1, 1]}, "/columns/entryPrice/2", "not_a_number"),
        ({"quantity": [1, 2, 1, 1, float("-inf")]}, "/columns/quantity/4", "not_a_number"),
        ({"leverage": [10, None, NAN, None, 1]}, "/columns/leverage/2", "not_a_number"),
        ({"leverage": [10, None, -1, None, 1]}, "/columns/leverage/2", "out_of_range"),
        ({"leverage": ["10", None, "1", None, "1"]}, "/columns/leverage", "wrong_type"),
        ({"quantity": [True] * 5}, "/columns/quantity", "wrong_type"),
        ({"symbol": [1] * 5}, "/columns/symbol", "wrong_type"),
        ({"accountId": ["b", "a", "b", " ", "c"]}, "/columns/accountId/3", "invalid_name"),
        ({"accountId": ["b", "a", "b", None, "c"]}, "/columns/accountId/3", "wrong_type"),
        ({"symbol": [BTC, ETH, "", BTC, BTC]}, "/columns/symbol/2", "invalid_length"),
        ({"symbol": [BTC, ETH, "x" * 65, BTC, BTC]}, "/columns/symbol/2", "invalid_length"),
        ({"marginMode": [None, "crossed"] + [None] * 3}, "/columns/marginMode/1", "invalid_value"),
        ({"quantity": None}, "/columns/quantity", "missing_field"),
        ({"margin": None, "leverage": None}, "/columns/margin/2", "missing_margin"),
        ({"symbol": [BTC] * 5, "marginMode": None}, "/columns/symbol/2", "duplicate_position"),
    ],
)
async def test_a_fault_is_named_by_its_column_and_row(
    alone: httpx.AsyncClient, columns: dict[str, Any], pointer: str, code: str
) -> None:
    response = await post(alone, body(**columns))
    assert response.status_code == 422, response.text
    assert (pointer, code) in errors_of(response)


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ((BALANCES | {"weight": [1.5, None]},), "/balanceColumns/weight/0", "out_of_range"),
        ((ACCOUNTS | {"venue": ["x", None]},), "/accountColumns/venue/0", "unknown_venue"),
        ((BALANCES, BALANCES), "", "invalid_value"),
    ],
)
async def test_other_tables_are_looked_at_as_well(
    alone: httpx.AsyncClient, more: tuple[Any, ...], pointer: str, code: str
) -> None:
    response = await post(alone, stream(positions(), *more))
    assert errors_of(response) == [(pointer, code)]


async def test_what_grows_when_it_is_read_is_refused(alone: httpx.AsyncClient) -> None:
    for method in ("lz4", "zstd"):
        response = await post(alone, stream(positions(), compression=method))
        assert (response.status_code, response.json()["code"]) == (400, "malformed_body")
    assert read_arrow(stream(positions(), rows=1), 10, 10).positions == 5
    empty = pa.RecordBatch.from_pylist([], positions().schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, empty.schema) as writer:
        for _ in range(MESSAGES_MAX):
            writer.write_batch(empty)
    with pytest.raises(MalformedBody, match="messages"):
        read_arrow(sink.getvalue().to_pybytes(), 10, 10)


def test_deltas_of_dictionaries_are_refused() -> None:
    first, again = (pa.array(words).dictionary_encode() for words in ([BTC], [BTC, ETH]))
    names = ["accountId", "symbol", "quantity", "entryPrice"]
    sink, options = pa.BufferOutputStream(), pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    batches = [
        pa.RecordBatch.from_arrays([["a"] * n, each, [1.0] * n, [1.0] * n], names)
        for n, each in ((1, first), (2, again))
    ]
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    with pytest.raises(MalformedBody, match="deltas"):
        read_arrow(sink.getvalue().to_pybytes(), 10, 10)


def test_many_views_of_the_same_long_text_are_refused_before_they_are_read() -> None:
    text = b"x" * 1_000
    view = len(text).to_bytes(4, "little") + text[:4] + bytes(8)
    buffers = [None, pa.py_buffer(view * 1_000), pa.py_buffer(text)]
    views = pa.Array.from_buffers(pa.string_view(), 1_000, buffers)
    ones = [1.0] * 1_000
    table = {"accountId": ["a"] * 1_000, "symbol": views, "quantity": ones, "entryPrice": ones}
    with pytest.raises(InvalidInput) as refused:
        read_arrow(stream(table), 10, 10_000)
    assert [(each.pointer, each.code) for each in refused.value.faults] == [
        ("/columns/symbol", "invalid_length")
    ]


def test_a_stream_that_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    whole = stream(positions(), rows=3)
    assert read_arrow(whole, 10, 10).positions == 5
    for end in range(0, len(whole), 3):
        with pytest.raises((MalformedBody, InvalidInput)):
            read_arrow(whole[:end], 10, 10)


def test_no_bytes_make_it_fail_otherwise_than_by_an_error_that_is_answered() -> None:
    source = random.Random(20)
    words = {"symbol": listed(COLUMNS["symbol"], DICTIONARY)}
    words |= {"accountId": listed(COLUMNS["accountId"], pa.string_view())}
    whole, refused = stream(positions(**words), BALANCES, rows=3), 0
    for _ in range(2_000):
        hostile = bytearray(whole)
        for _ in range(source.choice((1, 1, 4))):
            value = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
            hostile[source.randrange(len(hostile))] = value
        try:
            read_arrow(bytes(hostile), 100, 1_000)
        except ServiceError:
            refused += 1
    assert refused > 500


async def test_more_rows_than_one_call_may_have_are_refused() -> None:
    with pytest.raises(ServiceError, match="more than 4 rows"):
        read_arrow(body(), 10, 4)
    with pytest.raises(ServiceError, match="more than 3 accounts"):
        read_arrow(body(), 3, 5)
    assert read_arrow(body(), 4, 5).accounts == 4


async def test_without_the_extra_it_says_what_to_install(
    alone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_form, "_installed", lambda: False)
    response = await post(alone, body())
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert "plimsoll-risk[arrow]" in response.json()["detail"]
    response = await alone.post("/v1/evaluate", json=call(), headers={"accept": ARROW})
    assert response.json()["positions"]["row"] == [0, 1, 2, 4]
