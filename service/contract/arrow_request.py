"""The evaluate call in columns as Arrow IPC streams: the columns of the JSON form, no JSON read.

A body is up to three streams, one behind the other, told apart by their columns: positions (they
have `symbol`), balances (`asset`) and accounts (`id`). All else of the call is JSON in the schema
metadata of one of them, under `plimsoll`. Columns of other names are passed over.

Nothing that grows when it is read is taken: no compressed buffers, no deltas of dictionaries, no
views that are longer than a name, and no more messages than `MESSAGES_MAX`. So what is read takes
not much more room than the body. Format: https://arrow.apache.org/docs/format/Columnar.html
"""

import msgspec
import numpy as np
import pyarrow as pa

from service.contract.arrow_columns import Dictionaries, Stream
from service.contract.arrow_messages import MESSAGES_MAX, check_message
from service.contract.decoding import check_count, decode
from service.contract.evaluate_request import EvaluateQuestion, check_strictly
from service.contract.names import VENUES
from service.contract.numbers import SMALLEST
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


def _streams(body: bytes, rows_max: int) -> list[Stream]:
    """Return the streams of a body; raises InvalidInput, MalformedBody, TooManyItems, Arrow's."""
    source, found, messages = pa.BufferReader(body), list[Stream](), 0
    known = Dictionaries()
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
        found.append(_stream(part, rows_max, known))
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InvalidInput.of(Fault("", "invalid_value", "two streams have the same columns"))
    return found


def _stream(part: pa.Buffer, rows_max: int, dictionaries: Dictionaries) -> Stream:
    reader = pa.ipc.open_stream(part)
    schema = reader.schema
    names, kinds = schema.names, schema.types
    name = next((_MARKS[each] for each in _MARKS if each in names), "columns")
    _check_columns(name, names, kinds)
    known = (*_REQUIRED[name], *_OPTIONAL[name])
    places = [at for at, each in enumerate(names) if each in known]
    if len(places) < len(names):
        options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
        reader = pa.ipc.open_stream(part, options=options)
    columns: dict[str, list[pa.Array]] = {names[at]: [] for at in places}
    views, rows = [names[at] for at in places if _is_view(kinds[at])], 0
    for batch in reader:
        rows += batch.num_rows
        check_count(rows, rows_max, "rows")
        for column, pieces in zip(batch.columns, columns.values(), strict=True):
            pieces.append(column)
        for each in views:
            _check_views(f"/{name}/{each}", columns[each][-1])
        batch.validate(full=True)
    return Stream(name, columns, rows, (schema.metadata or {}).get(METADATA), dictionaries)


def _check_columns(name: str, names: list[str], kinds: list[pa.DataType]) -> None:
    """Raise InvalidInput where a column is not there, twice there, or of a type not read."""
    faults = []
    for column in (*_REQUIRED[name], *_OPTIONAL[name]):
        many, where = names.count(column), f"/{name}/{column}"
        if not many and column in _REQUIRED[name]:
            faults.append(Fault(where, "missing_field", "this column is required"))
        elif many > 1:
            faults.append(Fault(where, "invalid_value", "there are two columns of this name"))
        elif many and not _is_read(column, kinds[names.index(column)]):
            kind = "strings, plain or by a dictionary" if column in _WORDS else "numbers"
            faults.append(Fault(where, "wrong_type", f"expected another type: {kind}"))
    if faults:
        raise InvalidInput.of(*faults[:FAULTS_MAX])


_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
_WORDS = {"accountId", "symbol", "asset", "id", "marginMode", "venue", "collateralMode"}


def _is_read(column: str, kind: pa.DataType) -> bool:
    if pa.types.is_null(kind):
        return True  # nothing is given: said of each column that must be
    if column not in _WORDS:
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    return (kind.value_type if pa.types.is_dictionary(kind) else kind) in _TEXTS


def _is_view(kind: pa.DataType) -> bool:
    return bool((kind.value_type if pa.types.is_dictionary(kind) else kind) == pa.string_view())


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


def _question(streams: list[Stream]) -> EvaluateQuestion:
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


def _positions(stream: Stream) -> PositionTable:
    symbol = stream.names("symbol")
    bad = [code for code, word in enumerate(symbol.words) if not 1 <= len(word) <= 64]
    if bad:
        detail = "the length must be 1 to 64"
        stream.refuse("symbol", np.isin(symbol.code, bad), "invalid_length", detail)
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


def _balances(stream: Stream | None) -> BalanceTable:
    if stream is None:
        return BalanceTable.empty()
    return BalanceTable(
        account=stream.names("accountId"),
        asset=stream.names("asset"),
        amount=stream.number("amount", required=True),
        weight=stream.number("weight", 0.0, 1.0),
        price=stream.number("price", SMALLEST),
    )


def _accounts(stream: Stream | None) -> AccountTable:
    if stream is None:
        return AccountTable((), (), ())
    return AccountTable(
        stream.names("id").listed(),
        stream.choice("venue", VENUES, "unknown_venue").listed(),
        stream.choice("collateralMode", ("single", "multi"), "invalid_value").listed(),
    )
