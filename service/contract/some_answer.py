"""The answers of an evaluate call that is asked for some fields: any field may be left out."""

from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct, UnsetType

from service.contract.columns_answer import ColumnsAnswer
from service.contract.evaluation import EvaluateAnswer

_ALWAYS = {"timestamp", "accounts", "problems", "id"}
_WHOLE = {"problems", "findings", "likelihood"}


@cache
def _some_of(kind: type[Struct]) -> type[Struct]:
    """Return a record whose fields, and those of the records in it, may be left out."""
    hints = get_type_hints(kind, include_extras=True)
    required: list[Any] = []
    optional: list[Any] = []
    for field in msgspec.structs.fields(kind):
        inside = hints[field.name] if field.name in _WHOLE else _with_some(hints[field.name])
        if field.name in _ALWAYS:
            required.append((field.name, inside))
        else:
            optional.append((field.name, Union[inside, UnsetType], UNSET))  # noqa: UP007
    fields = [*required, *optional]
    name = f"Some{kind.__name__}"
    return msgspec.defstruct(name, fields, rename="camel", kw_only=True, module=__name__)


def _with_some(hint: Any) -> Any:
    """Return a type in which records are those that leave fields out."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _some_of(hint)
    parts = tuple(map(_with_some, get_args(hint)))
    if get_origin(hint) is list:
        return list.__class_getitem__(parts)
    if get_origin(hint) is Annotated:
        return Annotated[(parts[0], *hint.__metadata__)]
    return Union[parts] if None.__class__ in parts else hint  # noqa: UP007


SomeEvaluateAnswer = _some_of(EvaluateAnswer)
SomeColumnsAnswer = _some_of(ColumnsAnswer)
