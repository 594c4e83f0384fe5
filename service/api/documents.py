"""OpenAPI 3.1 out of the contract's own records: each route names its records and errors.

FastAPI lists the routes; what it would derive from annotations is said in `openapi_extra` instead,
made by `operation`, so that the models that decode requests are the ones that are documented.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from inspect import cleandoc
from typing import Any, Literal, TypeAlias

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.bodies import JSON, NDJSON
from service.api.document_texts import HEADERS, SECURITY
from service.api.error_examples import example_of
from service.api.problems import PROBLEM_TYPE, STATUS, problem_of, problem_response
from service.contract.numbers import say_decimal
from service.contract.problems import Problem
from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    CallInProgress,
    IdempotencyKeyReused,
    InvalidIdempotencyKey,
    InvalidInput,
    MalformedBody,
    MissingScope,
    Overloaded,
    RateLimited,
    ServiceError,
    StoreUnavailable,
    Unauthenticated,
    UnsupportedMediaType,
)
from service.store.api_keys import Scope

Document: TypeAlias = dict[str, Any]
Access: TypeAlias = Scope | tuple[Scope, ...] | Literal["key", "open"]
_REF = "#/components/schemas/{name}"
# What every call with a body may refuse.
BODY_ERRORS = (
    MalformedBody,
    BodyTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidInput,
    Overloaded,
)

_STANDING_HEADERS = ("RateLimit-Policy", "RateLimit")
_ERROR_HEADERS = ("Retry-After", "WWW-Authenticate")


def operation(
    name: str,
    summary: str,
    answers: Mapping[int, Document],
    *,
    body: Document | None = None,
    parameters: Sequence[Document] = (),
    errors: Sequence[type[ServiceError]] = (),
    access: Access = "open",
    once: bool = False,
) -> Document:
    """Return the `openapi_extra` of a route; `answers` maps each good status to an `answer`.

    `access` is the scope that a key needs (or all of them), "key" where any key will do, "open"
    where none is asked for. `once`: the call takes an `Idempotency-Key`.
    """
    if once:
        parameters, errors = [*parameters, _ONCE], [*errors, *_ONCE_ERRORS]
    responses: Document = {str(status): found for status, found in answers.items()}
    for error in (*errors, *_refusals(access)):
        _add_error(responses, error, has_body=body is not None)
    if access != "open":
        # How the key stands.
        responses = {
            status: _with_headers(response, *_STANDING_HEADERS)
            for status, response in responses.items()
        }
    extra: Document = {"operationId": name, "summary": summary, "responses": responses}
    if access != "open":
        # The empty one: a service that runs without keys asks for none.
        extra["security"] = [{"apiKey": _scopes(access)}, {}]
    if parameters:
        extra["parameters"] = list(parameters)
    if body is not None:
        extra["requestBody"] = body
    _OPERATIONS[name] = extra
    return extra


def _scopes(access: Access) -> list[str]:
    if isinstance(access, tuple):
        return list(access)
    return [] if access == "key" else [access]


def _refusals(access: Access) -> tuple[type[ServiceError], ...]:
    """Return what the door may answer a call that needs this."""
    if access == "open":
        return ()
    without_scope = (Unauthenticated, StoreUnavailable, RateLimited)
    return without_scope if access == "key" else (*without_scope, MissingScope)


def answer(description: str, record: object = None, example: object = None) -> Document:
    """Return a good response that carries `record` as JSON (or nothing)."""
    if record is None:
        return {"description": description}
    content: Document = {"schema": reference(record), "example": example}
    return {"description": description, "content": {JSON: content}}


def with_etag(response: Document) -> Document:
    """Return a response with what stands for it in `If-None-Match`."""
    return _with_headers(response, "ETag")


def _with_headers(response: Document, *names: str) -> Document:
    """Return a response with these headers too, of those that the document explains."""
    added = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    headers = response.get("headers", {}) | added
    return {**response, "headers": headers} if headers else response


def with_links(response: Document, parameter: str, *operations: str, field: str = "id") -> Document:
    """Return a response of which a field is a parameter of these other calls."""
    value = f"$response.body#/{field}"
    links = {name: {"operationId": name, "parameters": {parameter: value}} for name in operations}
    return {**response, "links": links}


def text_answer(description: str, example: str, media_type: str = "text/plain") -> Document:
    """Return a good response that is no JSON."""
    content = {"schema": {"type": "string"}, "example": example}
    return {"description": description, "content": {media_type: content}}


def json_body(record: object, example: Any, *, as_lines: bool = False) -> Document:
    """Return a request body; `as_lines`: a list, which is taken as NDJSON too."""
    content: Document = {JSON: {"schema": reference(record), "example": example}}
    if as_lines:
        description = (
            "One record a line, as many as there are: each is taken as it comes, and a later one "
            "of the same id replaces an earlier one. An answer of 4xx or 5xx may come after some "
            "have been taken; the same lines may be sent again."
        )
        lines = "".join(f"{json.dumps(item)}\n" for item in example)
        schema = {"type": "string", "description": description}
        content[NDJSON] = {"schema": schema, "example": lines}
    return {"required": True, "content": content}


def either(document: Document, *records: object) -> Document:
    """Return a request body, or a response, that is one of these records as JSON."""
    content = document["content"][JSON] | {"schema": {"anyOf": list(map(reference, records))}}
    return document | {"content": document["content"] | {JSON: content}}


def path_parameter(name: str, description: str, pattern: str, example: str) -> Document:
    """Return a parameter that stands in the path."""
    schema = {"type": "string", "pattern": pattern}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


def query_parameter(name: str, description: str, example: object, **schema: object) -> Document:
    """Return an optional parameter of the query string."""
    found: Document = {"name": name, "in": "query", "description": description}
    return {**found, "schema": schema, "example": example}


def header_parameter(name: str, description: str, example: str) -> Document:
    """Return an optional request header."""
    found: Document = {"name": name, "in": "header", "description": description}
    return {**found, "schema": {"type": "string"}, "example": example}


_ONCE = header_parameter(
    "Idempotency-Key",
    "Any text of the client's, in quotes, one for each call: the same call again is not carried "
    "out again but gets the same answer, for a day.",
    '"funding-2025-10-10-a1"',
)
_ONCE_ERRORS = (InvalidIdempotencyKey, CallInProgress, IdempotencyKeyReused)
IF_NONE_MATCH = header_parameter(
    "If-None-Match", "An ETag: only when it is another one by now.", '"3"'
)
UNCHANGED = with_etag(answer("It still is what the ETag stands for."))


def reference(record: object) -> Document:
    """Return the schema of a record: a reference that `install_document` resolves."""
    return {**_schema(record)}


@cache  # most calls are about the same few records, and each start of a worker makes all of them
def _schema(record: object) -> Document:
    (schema,), components = msgspec.json.schema_components([record], ref_template=_REF)
    for name, found in components.items():
        assert _SCHEMAS.setdefault(name, found) == found, f"two records are named {name}"
    plain: Document = _plain(schema)
    return plain


def install_document(app: FastAPI, about: str) -> None:
    """Make the app describe itself by this file; `about` is what is true of all calls."""

    def describe() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, about)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's own way to replace it


# What the routes have said of themselves, filled as their files are read.
_SCHEMAS: Document = {}
_OPERATIONS: Document = {}


def _document(app: FastAPI, about: str) -> Document:
    reference(Problem)
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=about,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for methods in document["paths"].values():
        for found in methods.values():
            # As it was said: FastAPI leaves out what is null, in examples too.
            found.update(_OPERATIONS[found["operationId"]])
    document["components"] = {
        "schemas": {name: _plain(_SCHEMAS[name]) for name in sorted(_SCHEMAS)},
        "headers": HEADERS,
        "securitySchemes": SECURITY,
    }
    return document


def _add_error(responses: Document, kind: type[ServiceError], *, has_body: bool) -> None:
    error = example_of(kind, has_body=has_body)
    example, told = msgspec.to_builtins(problem_of(error)), problem_response(error).headers
    response = responses.setdefault(
        str(STATUS[kind]),
        {
            "description": example["title"],
            "content": {PROBLEM_TYPE: {"schema": reference(Problem), "examples": {}}},
        },
    )
    response["content"][PROBLEM_TYPE]["examples"][kind.code] = {"value": example}
    told_of = [name for name in _ERROR_HEADERS if name in told]
    responses[str(STATUS[kind])] = _with_headers(response, *told_of)


def _plain(schema: Any) -> Any:
    """Say "number or string" where the records say `decimal`.

    Descriptions lose the indentation that docstrings have in some versions of Python.
    """
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = cleandoc(plain["description"])
    say_decimal(plain)
    return plain
