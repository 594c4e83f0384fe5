"""Who sends an evaluation in Arrow, who wants the answer in Arrow, and which tables of it.

Arrow is an extra. It is loaded with the first call that needs it: no other worker pays for it.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec

from fastapi import Request

from service.api.bodies import ARROW, JSON
from service.api.column_answers import PreparedTable
from service.api.documents import Document, query_parameter
from service.api.fields import PARAMETERS
from service.api.limits import Limits
from service.api.queries import Query
from service.contract.tabled import TabledRequest
from service.errors import UnsupportedMediaType

TABLES = ("accounts", "pools", "positions", "reductions")
ALL = "all"
TABLE_PARAMETER = query_parameter(
    "table",
    "Of an answer in Arrow: which table, or all four, a stream each, in this order.",
    "accounts",
    type="string",
    enum=[*TABLES, ALL],
    default="positions",
)
_STREAM = {"type": "string", "contentMediaType": ARROW}


def check_installed(request: Request) -> None:
    """Raise UnsupportedMediaType for a body in Arrow where the extra is not installed."""
    if not _installed() and _named(request, "content-type") == [ARROW]:
        raise UnsupportedMediaType("Arrow needs an extra: pip install 'plimsoll-risk[arrow]'")


def read_stream(body: bytes, limits: Limits) -> TabledRequest:
    """Return a call in Arrow; raises MalformedBody, InvalidInput, TooManyItems."""
    from service.contract.arrow_request import read_arrow  # noqa: PLC0415 - see above

    return read_arrow(body, limits.accounts_max, limits.positions_max)


def answer_of(request: Request) -> Callable[[PreparedTable], memoryview] | None:
    """Return what answers a call in columns in Arrow; None where it is answered in JSON.

    An answer is as the question is, unless `Accept` names one of the two. Raises InvalidInput.
    """
    asked, accepted = _named(request, "content-type"), _named(request, "accept")
    wanted = [each for each in accepted if each in (ARROW, JSON)] or asked
    if ARROW not in wanted or not _installed():
        return None
    name = Query(request, *PARAMETERS).one_of("table", (*TABLES, ALL)) or "positions"
    return partial(_answered, TABLES if name == ALL else (name,))


def with_stream(document: Document, description: str) -> Document:
    """Return a request body, or a response, that may be in Arrow too."""
    schema = _STREAM | {"description": description}
    stream = {ARROW: {"schema": schema, "example": "(bytes of Arrow IPC streams)"}}
    return document | {"content": document["content"] | stream}


def _answered(names: tuple[str, ...], prepared: PreparedTable) -> memoryview:
    from service.api.arrow_answers import arrow_answer  # noqa: PLC0415 - see above

    return arrow_answer(prepared, names)


def _named(request: Request, header: str) -> list[str]:
    """Return the media types of a header."""
    listed = request.headers.get(header, "").lower().split(",")
    return [each.partition(";")[0].strip() for each in listed]


@cache
def _installed() -> bool:
    return find_spec("pyarrow") is not None
