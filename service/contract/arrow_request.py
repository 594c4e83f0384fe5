"""The evaluate call in columns as Arrow IPC streams: the columns of the JSON form, no JSON read.

A body is up to three streams, one behind the other, told apart by their columns: positions (they
have `symbol`), balances (`asset`) and accounts (`id`). All else of the call is JSON in the schema
metadata of one of them, under `plimsoll`. Columns of other names are passed over.

Nothing that grows when it is read is taken: no compressed buffers, no deltas of dictionaries, no
views that are longer than a name, and no more messages than `MESSAGES_MAX`. So what is read takes
not much more room than the body. Format: https://arrow.apache.org/docs/format/Columnar.html
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.contract.arrow_messages import MESSAGES_MAX, check_message
from service.contract.decoding import check_count, decode
from service.contract.evaluate_request import EvaluateQuestion, check_strictly
from service.contract.names import VENUES
from service.contract.numbers import LARGEST, SMALLEST
from service.contract.tabled import (
    FAULTS_MAX,
    AccountTable,
    BalanceTable,
    PositionTable,
    TabledRequest,
    check_asked,
    tabled,
)
from service.errors import Fault, InvalidInput, MalformedBody
from service.risk.columns import Bools, Floats, Ints, Words

METADATA = b"plimsoll"
_END = b"\xff\xff\xff\xff\0\0\0\0"  # without it, a stream may have been cut short
NAME_BYTES_MAX = 512  # four a character: no name is longer
_REQUIRED = {
    "columns": ("accountId", "symbol", "quantity", "entryPrice"),
    "balanceColumns": ("accountId", "asset", "amount"),
    "accountColumns": ("id",),
}
_OPTIONAL = {
    "columns": ("marginMode", "leverage", "contractSize", "markPrice", "margin"),
    "balanceColumns": ("weight", "price"),
    "accountColumns": ("venue", "collateralMode"),
}
_MARKS = {"symbol": "columns", "asset": "balanceColumns", "id": "accountColumns"}
_decoder = msgspec.json.Decoder(EvaluateQuestion, strict=False)


def read_arrow(body: bytes, accounts_max: int, positions_max: int) -> TabledRequest:
    """Return a call in Arrow; raises MalformedBody, InvalidInput, TooManyItems."""
    try:
        streams = _streams(body, positions_max)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise MalformedBody("the body is no Arrow IPC stream") from None
    asked = _question(streams)
    by_name = {each.name: each for each in streams}
    if "columns" not in by_name:
        raise InvalidInput.of(Fault("/columns", "missing_field", "there is no stream of positions"))
    return tabled(
        asked,
        _positions(by_name["columns"]),
        _balances(by_name.get("balanceColumns")),
        _accounts(by_name.get("accountColumns")),
        accounts_max=accounts_max,
        positions_max=positions_max,
    )


def _streams(body: bytes, rows_max: int) -> "list[_Stream]":
    """Return the streams of a body; raises InvalidInput, MalformedBody, TooManyItems, Arrow's."""
    source, found, messages = pa.BufferReader(body), [], 0
    while source.tell() < len(body):
        begin = source.tell()
        for message in pa.ipc.MessageReader.open_stream(source):
            check_message(message.metadata.to_pybytes())
            messages += 1
            if messages > MESSAGES_MAX:
                raise MalformedBody(f"more than {MESSAGES_MAX} Arrow messages")
        if body[source.tell() - len(_END) : source.tell()] != _END:
            raise MalformedBody("an Arrow IPC stream ends before its end is said")
        part = pa.py_buffer(body).slice(begin, source.tell() - begin)
        found.append(_stream(part, rows_max))
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InvalidInput.of(Fault("", "invalid_value", "two streams have the same columns"))
    return found


def _stream(part: pa.Buffer, rows_max: int) -> "_Stream":
    schema = pa.ipc.open_stream(part).schema
    name = next((_MARKS[each] for each in _MARKS if each in schema.names), "columns")
    _check_columns(name, schema)
    known = (*_REQUIRED[name], *_OPTIONAL[name])
    places = [at for at, each in enumerate(schema.names) if each in known]
    options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
    batches, rows = [], 0
    for batch in pa.ipc.open_stream(part, options=options):
        rows += batch.num_rows
        check_count(rows, rows_max, "rows")
        for field, column in zip(batch.schema, batch.columns, strict=True):
            _check_views(f"/{name}/{field.name}", column)
        batch.validate(full=True)
        batches.append(batch)
    columns = {
        schema.names[at]: [batch.column(place) for batch in batches]
        for place, at in enumerate(places)
    }
    return _Stream(name, columns, rows, (schema.metadata or {}).get(METADATA))


def _check_columns(name: str, schema: pa.Schema) -> None:
    """Raise InvalidInput where a column is not there, twice there, or of a type not read."""
    faults = []
    for column in (*_REQUIRED[name], *_OPTIONAL[name]):
        types = [field.type for field in schema if field.name == column]
        where = f"/{name}/{column}"
        if not types and column in _REQUIRED[name]:
            faults.append(Fault(where, "missing_field", "this column is required"))
        elif len(types) > 1:
            faults.append(Fault(where, "invalid_value", "there are two columns of this name"))
        elif types and not _is_read(column, types[0]):
            kind = "strings, plain or by a dictionary" if column in _WORDS else "numbers"
            faults.append(Fault(where, "wrong_type", f"expected another type: {kind}"))
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])


_WORDS = {"accountId", "symbol", "asset", "id", "marginMode", "venue", "collateralMode"}


def _is_read(column: str, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return True  # nothing is given: said of each column that must be
    if column not in _WORDS:
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    return _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _check_views(where: str, column: pa.Array) -> None:
    """Raise InvalidInput for views that are longer than any name: many may be of the same bytes."""
    texts = column.dictionary if pa.types.is_dictionary(column.type) else column
    if texts.type != pa.string_view() or not len(texts):
        return
    views = texts.buffers()[1]
    end = 4 * (texts.offset + len(texts))
    if views is None or views.size < 4 * end:
        raise MalformedBody("the body is no Arrow IPC stream")
    lengths = np.frombuffer(views, np.int32, end)[4 * texts.offset :: 4]
    if lengths.max() > NAME_BYTES_MAX:
        detail = "a text here is longer than any name"
        raise InvalidInput.of(Fault(where, "invalid_length", detail))


def _question(streams: "list[_Stream]") -> EvaluateQuestion:
    told = [each.question for each in streams if each.question is not None]
    if len(told) > 1:
        detail = "two streams carry what is asked in their metadata"
        raise InvalidInput.of(Fault("", "invalid_value", detail))
    raw = told[0] if told else b"{}"
    asked = decode(raw, _decoder)
    if asked.instruments:
        check_strictly(raw)
    check_asked(asked)
    return asked


@dataclass(frozen=True, slots=True)
class _Stream:
    """One table: of each column its pieces."""

    name: str
    columns: dict[str, list[Any]]
    rows: int
    question: bytes | None

    def names(self, column: str) -> Words[str]:
        """Return names of which none is missing; raises InvalidInput."""
        known, codes = self._coded(column)
        missing = [code for code, word in enumerate(known) if word is None]
        self.refuse(column, np.isin(codes, missing), "wrong_type", "expected another type: str")
        return _merged([word or "" for word in known], codes)

    def choice(self, column: str, allowed: tuple[str, ...], code: str) -> Words[str | None]:
        """Return words of these, None where there is none; raises InvalidInput."""
        if column not in self.columns:
            return Words([None], np.zeros(self.rows, np.int64))
        known, codes = self._coded(column)
        wrong = [at for at, word in enumerate(known) if word is not None and word not in allowed]
        detail = "not one of the values allowed here"
        self.refuse(column, np.isin(codes, wrong), code, detail)
        return Words(known, codes)

    def number(
        self, column: str, low: float = -LARGEST, high: float = LARGEST, *, required: bool = False
    ) -> Floats:
        """Return finite numbers from `low` to `high`, NaN where there is none.

        Raises InvalidInput: a NaN that is sent is no number; who has none sends null.
        """
        if column not in self.columns:
            return np.full(self.rows, np.nan)
        pieces = [pc.cast(each, pa.float64(), safe=False) for each in self.columns[column]]
        parts = [each.to_numpy(zero_copy_only=False) for each in pieces]
        values: Floats = np.concatenate([np.zeros(0), *parts])
        wrong = ~np.isfinite(values)
        if not required and any(each.null_count for each in pieces):
            given = [each.is_valid().to_numpy(zero_copy_only=False) for each in pieces]
            wrong &= np.concatenate(given)
        self.refuse(column, wrong, "not_a_number", "expected a finite number")
        outside = (values < low) | (values > high)
        bounds = "the number must be > 0" if low == SMALLEST else "the number must be 0 to 1"
        self.refuse(column, outside, "out_of_range", bounds)
        return values

    def _coded(self, column: str) -> tuple[list[str | None], Ints]:
        """Return the words of a column, some perhaps twice, and of each row its word."""
        words: list[str | None] = []
        codes = [np.zeros(0, np.int64)]
        for piece in self.columns[column]:
            listed = pa.types.is_dictionary(piece.type)
            # What a dictionary has and no row names is nobody's.
            by = (piece.indices if listed else piece).dictionary_encode()
            own = by.dictionary
            if listed:  # views cannot be taken from
                own = piece.dictionary.cast(pa.large_string()).take(own)
            nothing = len(words) + len(own)
            found = by.indices.fill_null(-1).to_numpy().astype(np.int64)
            codes.append(np.where(found < 0, nothing, found + len(words)))
            words += own.to_pylist()
            words += [None] if by.indices.null_count else []
        return words, np.concatenate(codes)

    def refuse(self, column: str, wrong: Bools, code: str, detail: str) -> None:
        """Raise InvalidInput where rows of a column are wrong."""
        rows = np.flatnonzero(wrong)[:FAULTS_MAX].tolist()
        if rows:
            faults = (Fault(f"/{self.name}/{column}/{row}", code, detail) for row in rows)
            raise InvalidInput.of(*faults)


def _merged(words: list[str], codes: Ints) -> Words[str]:
    """Return a column whose words are all different."""
    different = Words.of(words)
    return Words(different.words, different.code[codes])


def _positions(stream: _Stream) -> PositionTable:
    symbol = stream.names("symbol")
    bad = [code for code, word in enumerate(symbol.words) if not 1 <= len(word) <= 64]
    stream.refuse(
        "symbol", np.isin(symbol.code, bad), "invalid_length", "the length must be 1 to 64"
    )
    modes = stream.choice("marginMode", ("cross", "isolated"), "invalid_value")
    isolated = np.array([mode == "isolated" for mode in modes.words], np.bool_)
    return PositionTable(
        account=stream.names("accountId"),
        symbol=symbol,
        quantity=stream.number("quantity", required=True),
        entry_price=stream.number("entryPrice", SMALLEST, required=True),
        isolated=isolated[modes.code],
        leverage=stream.number("leverage", SMALLEST),
        contract_size=stream.number("contractSize", SMALLEST),
        mark_price=stream.number("markPrice", SMALLEST),
        margin=stream.number("margin"),
    )


def _balances(stream: _Stream | None) -> BalanceTable:
    if stream is None:
        return BalanceTable.empty()
    return BalanceTable(
        account=stream.names("accountId"),
        asset=stream.names("asset"),
        amount=stream.number("amount", required=True),
        weight=stream.number("weight", 0.0, 1.0),
        price=stream.number("price", SMALLEST),
    )


def _accounts(stream: _Stream | None) -> AccountTable:
    if stream is None:
        return AccountTable((), (), ())
    return AccountTable(
        stream.names("id").listed(),
        stream.choice("venue", VENUES, "unknown_venue").listed(),
        stream.choice("collateralMode", ("single", "multi"), "invalid_value").listed(),
    )
