"""OpenAPI 3.1 out of the contract's own records: each route names its records and errors.

FastAPI lists the routes; what it would derive from annotations is said in `openapi_extra` instead,
made by `operation`, so that the models that decode requests are the ones that are documented.
"""

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any, Literal, TypeAlias

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.bodies import JSON, NDJSON
from service.api.problems import PROBLEM_TYPE, STATUS, problem_of
from service.contract.numbers import LARGEST
from service.contract.problems import Problem
from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    InvalidInput,
    MalformedBody,
    MissingScope,
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
BODY_ERRORS = (MalformedBody, BodyTimeout, BodyTooLarge, UnsupportedMediaType, InvalidInput)

DESCRIPTION = """Real-time risk for perpetual futures: how close is each account to a margin call, \
to liquidation, to owing money?

Numbers are taken as JSON numbers or decimal strings, finite only, and answered as numbers; a \
figure that has no value is `null`, with a reason beside it. Times are epoch milliseconds. Errors \
are RFC 9457 problems: switch on `code`, read `detail`.

Where keys are in force, every call but `livez` and `readyz` needs one. A key belongs to a tenant \
and sees and writes that tenant's accounts, alerts and webhooks; what is another's is not there. \
Marks and instruments are the operator's, and everybody's to read."""
_SECURITY = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `plimsoll keys create`; `admin` includes every scope.",
    }
}


def operation(
    name: str,
    summary: str,
    answers: Mapping[int, Document],
    *,
    body: Document | None = None,
    parameters: Sequence[Document] = (),
    errors: Sequence[type[ServiceError]] = (),
    access: Access = "open",
) -> Document:
    """Return the `openapi_extra` of a route; `answers` maps each good status to an `answer`.

    `access` is the scope that a key needs (or all of them), "key" where any key will do, "open"
    where none is asked for.
    """
    responses: Document = {str(status): found for status, found in answers.items()}
    for error in (*errors, *_refusals(access)):
        _add_error(responses, error)
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
    without_scope = (Unauthenticated, StoreUnavailable)
    return without_scope if access == "key" else (*without_scope, MissingScope)


def answer(
    description: str, record: object = None, example: object = None, media_type: str = JSON
) -> Document:
    """Return a good response that carries `record` as JSON (or nothing)."""
    if record is None:
        return {"description": description}
    content: Document = {"schema": reference(record)}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {media_type: content}}


def text_answer(description: str, media_type: str = "text/plain") -> Document:
    """Return a good response that is no JSON."""
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def json_body(record: object, example: object, *, lines_of: object = None) -> Document:
    """Return a request body; `lines_of` is the record of each line where NDJSON is taken too."""
    content: Document = {JSON: {"schema": reference(record), "example": example}}
    if lines_of is not None:
        description = (
            "One record a line, as many as there are: each is taken as it comes, and a later one "
            "of the same id replaces an earlier one. An answer of 4xx or 5xx may come after some "
            "have been taken; the same lines may be sent again."
        )
        content[NDJSON] = {"schema": {"type": "string", "description": description}}
    return {"required": True, "content": content}


def path_parameter(name: str, description: str, pattern: str) -> Document:
    """Return a parameter that stands in the path."""
    schema = {"type": "string", "pattern": pattern}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def query_parameter(name: str, description: str, **schema: object) -> Document:
    """Return an optional parameter of the query string."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def header_parameter(name: str, description: str) -> Document:
    """Return an optional request header."""
    schema = {"type": "string"}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def reference(record: object) -> Document:
    """Return the schema of a record: a reference that `install_document` resolves."""
    (schema,), components = msgspec.json.schema_components([record], ref_template=_REF)
    _SCHEMAS.update(components)
    plain: Document = _plain(schema)
    return plain


def install_document(app: FastAPI) -> None:
    """Make the app describe itself by this file."""

    def describe() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's own way to replace it


# What the routes have said of themselves, filled as their files are read.
_SCHEMAS: Document = {}
_OPERATIONS: Document = {}


def _document(app: FastAPI) -> Document:
    reference(Problem)
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    for methods in document["paths"].values():
        for found in methods.values():
            # As it was said: FastAPI leaves out what is null, in examples too.
            found.update(_OPERATIONS[found["operationId"]])
    document["components"] = {
        "schemas": {name: _plain(_SCHEMAS[name]) for name in sorted(_SCHEMAS)},
        "securitySchemes": _SECURITY,
    }
    return document


def _add_error(responses: Document, error: type[ServiceError]) -> None:
    example = msgspec.to_builtins(problem_of(error(_details(error))))
    status = str(STATUS[error])
    response = responses.setdefault(
        status,
        {
            "description": example["title"],
            "content": {PROBLEM_TYPE: {"schema": reference(Problem), "examples": {}}},
        },
    )
    response["content"][PROBLEM_TYPE]["examples"][error.code] = {"value": example}


def _details(error: type[ServiceError]) -> str:
    """Return the first line an error's class says of itself, else its code in words."""
    document = error.__doc__ or error.code.replace("_", " ")
    return document.strip().splitlines()[0].rstrip(".")


def _plain(schema: Any) -> Any:
    """Say "number or string" where the records say `decimal`; drop bounds that mean "finite".

    Descriptions lose the indentation that docstrings have in some versions of Python.
    """
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = cleandoc(plain["description"])
    if plain.get("format") == "decimal":
        plain["type"] = ["number", "string"]
        for bound in ("minimum", "maximum"):
            if abs(plain.get(bound, 0.0)) == LARGEST:
                del plain[bound]
    return plain
