"""What Schemathesis does not know: bodies that are no JSON, and lists taken item by item."""

import json
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def as_it_is(_context: Any, value: Any) -> bytes:
    """Return the body; what breaks the schema may be anything, which is one line then."""
    return value if isinstance(value, bytes) else _text(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@schemathesis.hook
def map_headers(context: Any, headers: dict[str, str] | None) -> dict[str, str] | None:
    """Leave most conditions out: hardly any account has the version that was made up.

    And keys of deletions: with one that was used before, what has been made again since stays.
    """
    if headers and context.operation.method.lower() == "delete":
        headers.pop("Idempotency-Key", None)
    if headers and headers.get("If-Match") != '"3"':
        headers.pop("If-Match", None)
    if headers and headers.get("If-None-Match") != '"3"':
        headers.pop("If-None-Match", None)
    return headers


@schemathesis.check
def lists_name_what_they_refuse(_context: Any, response: Any, case: Any) -> None:
    """A list with something wrong in it, of which the rest is taken, says what was wrong."""
    body = case.meta.components.get(ParameterLocation.BODY)
    if response.status_code != 200 or body is None or not body.mode.is_negative:
        return
    answer = response.json() if "json" in response.headers["content-type"][0] else None
    if isinstance(answer, dict) and ("refused" in answer or "problems" in answer):
        assert answer.get("refused") or answer.get("problems"), "nothing is said to be wrong"
