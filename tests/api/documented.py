"""Holds every answer a test is given against the OpenAPI document: it must be foreseen there."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson

from service.api.about import ANY_CALL
from service.api.problems import PROBLEM_TYPE

FILE = Path(__file__).parents[2] / "openapi" / "openapi.json"


@cache
def document() -> Any:
    """Return the document of the repository, which another test holds against the service."""
    return orjson.loads(FILE.read_bytes())


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return what the document says of a call; None where it has none such."""
    for pattern, methods in _patterns():
        if pattern.fullmatch(path):
            operation: dict[str, Any] | None = methods.get(method.lower())
            return operation
    return None


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    # What stands there word for word comes before what a parameter may stand for.
    paths = sorted(document()["paths"].items(), key=lambda item: item[0].count("{"))
    return [(_pattern(path), of) for path, of in paths]


def _pattern(path: str) -> re.Pattern[str]:
    """Return what calls of a path look like; a symbol may have a slash in it."""
    escaped = re.escape(path).replace(r"\{symbol\}", ".+")
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", escaped))


async def check_documented(response: httpx.Response) -> None:
    """An event hook of httpx: fail when a call is answered as its documentation does not say."""
    request, status = response.request, str(response.status_code)
    operation = operation_of(request.method, request.url.path)
    if response.headers.get("content-type") == PROBLEM_TYPE:
        code = orjson.loads(await response.aread())["code"]
        if (code, response.status_code) in {(known, of) for known, of, _ in ANY_CALL}:
            return
        assert operation is not None
        assert status in operation["responses"], (request.method, request.url.path, code)
        examples = operation["responses"][status]["content"][PROBLEM_TYPE]["examples"]
        assert code in examples, (request.method, request.url.path, code)
    elif operation is not None:
        assert status in operation["responses"], (request.method, request.url.path, status)
