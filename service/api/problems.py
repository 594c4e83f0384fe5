"""The only table of HTTP statuses: every error leaves as problem+json, none repeats the input."""

import logging
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from service.contract.problems import (
    ERRORS_LISTED_MAX,
    FaultAnswer,
    ItemResult,
    Problem,
    fault_answers,
)
from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    CallInProgress,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidIdempotencyKey,
    InvalidInput,
    MalformedBody,
    MissingScope,
    MonitorUnavailable,
    NoLongerKept,
    Overloaded,
    RateLimited,
    ServiceError,
    StoreUnavailable,
    TargetsOff,
    TooManyConnections,
    TooManyItems,
    Unauthenticated,
    UnknownAccount,
    UnknownAlert,
    UnknownFund,
    UnknownSilence,
    UnknownTarget,
    UnknownVenue,
    UnknownWebhook,
    UnsupportedMediaType,
    VersionMismatch,
)

PROBLEM_TYPE = "application/problem+json"

STATUS: dict[type[ServiceError], int] = {
    MalformedBody: 400,
    InvalidCursor: 400,
    InvalidIdempotencyKey: 400,
    Unauthenticated: 401,
    MissingScope: 403,
    TargetsOff: 403,
    NoLongerKept: 410,
    UnknownAccount: 404,
    UnknownAlert: 404,
    UnknownFund: 404,
    UnknownSilence: 404,
    UnknownTarget: 404,
    UnknownWebhook: 404,
    BodyTimeout: 408,
    CallInProgress: 409,
    VersionMismatch: 412,
    BodyTooLarge: 413,
    TooManyItems: 413,
    UnsupportedMediaType: 415,
    InvalidInput: 422,
    IdempotencyKeyReused: 422,
    UnknownVenue: 422,
    TooManyConnections: 429,
    RateLimited: 429,
    StoreUnavailable: 503,
    MonitorUnavailable: 503,
    Overloaded: 503,
}
# What may be asked again soon.
_PASSING = {StoreUnavailable, MonitorUnavailable, Overloaded, TooManyConnections, CallInProgress}
_CODE_OF_STATUS = {404: "not_found", 405: "method_not_allowed"}
# RFC 9110's names; Python has had them since 3.13, and a title must not hang on the interpreter.
_PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
# The rest of such a body is not waited for, so the connection cannot be used again.
_CLOSING = {BodyTimeout, BodyTooLarge}

_encoder = msgspec.json.Encoder()
_log = logging.getLogger("plimsoll.api")


def phrase_of(status: int) -> str:
    """Return the name of an HTTP status."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def status_of(error: ServiceError) -> int:
    """Return the HTTP status an error is answered with."""
    return STATUS.get(type(error), 500)


def problem_of(error: ServiceError) -> Problem:
    """Return what a client reads of an error."""
    listed = fault_answers(error.faults[:ERRORS_LISTED_MAX])
    return _problem(status_of(error), error.code, error.detail, listed)


def problem_response(error: ServiceError) -> Response:
    """Answer an error."""
    headers = {"connection": "close"} if type(error) in _CLOSING else {}
    if type(error) in _PASSING:
        headers["retry-after"] = "1"
    if isinstance(error, RateLimited):
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return _response(problem_of(error), headers)


def problem_bytes(status: int, code: str, detail: str) -> bytes:
    """Return the body of a problem that no error of ours stands for."""
    return _encoder.encode(_problem(status, code, detail, []))


def refused_list_response(results: list[ItemResult]) -> Response:
    """Answer a list of which nothing was taken: by item, and the first reasons in front."""
    errors = [error for result in results for error in result.errors][:ERRORS_LISTED_MAX]
    detail = "nothing of the list was taken"
    problem = _problem(422, InvalidInput.code, detail, errors)
    problem.results = results
    return _response(problem, {})


def install_problems(app: FastAPI) -> None:
    """Make every error of the app a problem: ours, the framework's and the ones nobody foresaw."""

    @app.exception_handler(ServiceError)
    async def answer_ours(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ServiceError)
        if status_of(error) == 500:
            _log.error("an error without a status", exc_info=error)
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def answer_routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODE_OF_STATUS.get(error.status_code, "http_error")
        problem = _problem(error.status_code, code, phrase_of(error.status_code), [])
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"allow": ", ".join(_methods(app, request))}
        return _response(problem, headers)

    @app.exception_handler(ClientDisconnect)
    async def forget_the_gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=400)

    @app.exception_handler(Exception)
    async def answer_bug(_request: Request, _error: Exception) -> Response:
        problem = _problem(500, "internal_error", "the service made a mistake; it is logged", [])
        return _response(problem, {})


def _methods(app: FastAPI, request: Request) -> list[str]:
    """Return what may be done at a path: the router names its first route's methods only."""
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] == Match.FULL
            for route in app.routes
        )
    ]


def _problem(status: int, code: str, detail: str, errors: list[FaultAnswer]) -> Problem:
    type_ = f"urn:plimsoll:problem:{code}"
    return Problem(type_, phrase_of(status), status, code, detail, errors)


def _response(problem: Problem, headers: dict[str, str]) -> Response:
    return Response(_encoder.encode(problem), problem.status, headers, PROBLEM_TYPE)
