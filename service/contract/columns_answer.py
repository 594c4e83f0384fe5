"""The answer of an evaluate call in columns: the records of the answer in rows, as tables."""

from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct

from service.contract.alerts import Reduction
from service.contract.evaluation import AccountAnswer, AfterGap, PoolAnswer, PositionAnswer

# Lists inside, which are tables of their own, and what is only said of accounts one by one.
_NOT_COLUMNS = {"pools", "positions", "findings", "likelihood", "reduce"}


def _columns_of(kind: type[Struct], before: str = "") -> list[tuple[str, Any]]:
    """Return the columns of a record's fields; a record inside gives its own, named after it."""
    found: list[tuple[str, Any]] = []
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        name = f"{before}_{field.name}" if before else field.name
        inside = [each for each in (field.type, *get_args(field.type)) if _is_record(each)]
        if field.name in _NOT_COLUMNS:
            continue
        if inside:
            found += _columns_of(inside[0], name)
        else:
            found.append((name, _list_of(hints[field.name])))
    return found


def _list_of(kind: Any) -> Any:
    return list.__class_getitem__(kind)


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _table(name: str, kind: type[Struct], *keys: tuple[str, Any]) -> type[Struct]:
    optional = {f"after_gap_{field.name}" for field in msgspec.structs.fields(AfterGap)}
    columns: list[Any] = [
        (column, kinds | None, None) if column in optional else (column, kinds)
        for column, kinds in (*keys, *_columns_of(kind))
    ]
    return msgspec.defstruct(name, columns, rename="camel", kw_only=True, module=__name__)


_ACCOUNT = ("account_id", list[str])
AccountTable = _table("AccountTable", AccountAnswer)
PoolTable = _table("PoolTable", PoolAnswer, _ACCOUNT)
PositionTable = _table("PositionTable", PositionAnswer, ("row", list[int]), _ACCOUNT)
ReductionTable = _table("ReductionTable", Reduction, _ACCOUNT)
ColumnsAnswer = msgspec.defstruct(
    "ColumnsAnswer",
    [
        ("timestamp", int),
        ("accounts", AccountTable),
        ("pools", PoolTable),
        ("positions", PositionTable),
        ("reductions", ReductionTable),
    ],
    rename="camel",
    module=__name__,
)
