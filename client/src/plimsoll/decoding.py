"""Parsed JSON to records: camelCase to snake_case, fields we do not know left out.

A document that lacks a field of its record is not the service's. Values are taken as they are.
"""

import dataclasses
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from plimsoll.errors import UnexpectedAnswer

Record = TypeVar("Record")
_Decode = Callable[[Any], Any]


def decode(kind: type[Record], document: object) -> Record:
    """Return the record that a document is; raises UnexpectedAnswer when it is none."""
    wanted: Any = kind  # mypy does not take every type for hashable
    try:
        record: Record = _decoder(wanted)(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise UnexpectedAnswer(f"this is no {kind.__name__}: {error!r}") from error
    return record


def wire_name(name: str) -> str:
    """Return how the wire writes a field: `margin_ratio` is `marginRatio`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def _decoder(kind: Any) -> _Decode:
    if dataclasses.is_dataclass(kind):
        return _record_decoder(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        item = _decoder(arguments[0])
        return lambda document: [item(each) for each in document]
    if origin in (Union, types.UnionType):
        return _union_decoder(arguments)
    return lambda document: document


def _record_decoder(kind: Any) -> _Decode:
    hints = get_type_hints(kind)
    fields = [
        (field.name, wire_name(field.name), _decoder(hints[field.name]), _is_required(field))
        for field in dataclasses.fields(kind)
    ]

    def decode_record(document: dict[str, Any]) -> Any:
        return kind(
            **{
                name: decode_field(document[key])
                for name, key, decode_field, required in fields
                if required or key in document
            }
        )

    return decode_record


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _union_decoder(members: tuple[Any, ...]) -> _Decode:
    """Of null and one other, or of records that `kind` tells apart."""
    others = [member for member in members if member is not type(None)]
    if len(others) == 1:
        some = _decoder(others[0])
        return lambda document: None if document is None else some(document)
    if not all(map(dataclasses.is_dataclass, others)):
        return lambda document: document
    by_kind = {tag: _decoder(member) for member in others for tag in _tags(member)}
    return lambda document: by_kind[document["kind"]](document)


def _tags(kind: Any) -> tuple[Any, ...]:
    hint = get_type_hints(kind)["kind"]
    assert get_origin(hint) is Literal
    return get_args(hint)
