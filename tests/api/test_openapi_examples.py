"""Every call shows an example of its request, of its answers and of every error it can give.

What a call can give follows from what it takes; beyond that, every answer that any test of the API
is given is held against the document (`documented.py`).
"""

import contextlib
import copy
import re
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft202012Validator

from service.api.about import ANY_CALL, LIMITS
from service.api.problems import PROBLEM_TYPE
from service.app import contract_documents
from service.settings import Settings
from tests.api.documented import check_documented

WITH_BODY = {
    ("400", "malformed_body"),
    ("408", "body_timeout"),
    ("413", "body_too_large"),
    ("415", "unsupported_media_type"),
    ("422", "invalid_input"),
    ("503", "overloaded"),
}
ONCE = {
    ("400", "invalid_idempotency_key"),
    ("409", "call_in_progress"),
    ("422", "idempotency_key_reused"),
}
# Asked of machines rather than of clients: parameters are nothing to them.
LENIENT = {"/livez", "/readyz", "/metrics"}
PER_CALL = {
    ("get", "/v1/accounts/{account_id}"): ("404", "unknown_account"),
    ("delete", "/v1/accounts/{account_id}"): ("412", "version_mismatch"),
    ("put", "/v1/accounts/{account_id}"): ("412", "version_mismatch"),
    ("post", "/v1/accounts:batch"): ("413", "too_many_items"),
    ("get", "/v1/accounts"): ("503", "monitor_unavailable"),
    ("post", "/v1/simulate"): ("503", "monitor_unavailable"),
    ("get", "/v1/alerts/stream"): ("429", "too_many_connections"),
    ("post", "/v1/alerts/{alert_id}/ack"): ("404", "unknown_alert"),
    ("get", "/v1/alerts/{alert_id}/explain"): ("410", "no_longer_kept"),
    ("get", "/v1/adl/{symbol}"): ("503", "monitor_unavailable"),
    ("put", "/v1/funds/{venue}/{asset}"): ("412", "version_mismatch"),
    ("get", "/v1/funds/{venue}/{asset}"): ("404", "unknown_fund"),
    ("delete", "/v1/silences/{silence_id}"): ("404", "unknown_silence"),
    ("get", "/v1/webhooks/{webhook_id}"): ("404", "unknown_webhook"),
}


@pytest.fixture
def document() -> Any:
    return orjson.loads(contract_documents()["openapi.json"])


def lacking(document: Any) -> Iterator[str]:
    """Yield what the document lacks, by call."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for what in (*_of_request(document, operation), *_of_answers(document, operation)):
                yield f"{method} {path}: {what}"
            for status, code in sorted(_errors(method, path, operation)):
                content = operation["responses"].get(status, {}).get("content", {})
                if code not in content.get(PROBLEM_TYPE, {}).get("examples", {}):
                    yield f"{method} {path}: the error {status} {code}"


def _errors(method: str, path: str, operation: Any) -> set[tuple[str, str]]:
    expected = {PER_CALL[method, path]} if (method, path) in PER_CALL else set()
    if "requestBody" in operation:
        expected |= WITH_BODY
    if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ())):
        expected |= ONCE
    if path not in LENIENT:
        expected |= {("422", "invalid_input"), ("503", "store_unavailable")}
    if "security" in operation:
        expected |= {("401", "unauthenticated"), ("429", "rate_limited")}
        if operation["security"][0]["apiKey"]:
            expected.add(("403", "missing_scope"))
    if any(each["name"] in ("since", "cursor") for each in operation.get("parameters", ())):
        expected.add(("400", "invalid_cursor"))
    return expected


def _of_request(document: Any, operation: Any) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        yield from _judged(document, parameter, f"parameter {parameter['name']}")
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield from _judged(document, content, f"body as {media_type}")


def _of_answers(document: Any, operation: Any) -> Iterator[str]:
    if not any(status.startswith("2") for status in operation["responses"]):
        yield "no good answer"
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield from _judged(document, content, f"answer {status} as {media_type}")
        for name, header in response.get("headers", {}).items():
            yield from _judged(document, _header(document, header), f"{status}, header {name}")


def _header(document: Any, reference: Any) -> Any:
    """Return what a reference to a header stands for."""
    return document["components"]["headers"][reference["$ref"].rpartition("/")[2]]


def _judged(document: Any, place: Any, what: str) -> Iterator[str]:
    """Yield that there is no example, or that one is not as the schema says."""
    examples = [place["example"]] if place.get("example") is not None else []
    examples += [one["value"] for one in place.get("examples", {}).values()]
    schema = place["schema"] | {"components": document["components"]}
    if not examples:
        yield f"{what}: no example"
    elif not all(Draft202012Validator(schema).is_valid(one) for one in examples):
        yield f"{what}: a wrong example"


def test_nothing_lacks_an_example_and_every_example_is_valid(document: Any) -> None:
    assert list(lacking(document)) == []


def holes(document: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield each place that has an example or an error, and the key to take out there."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            places: list[Any] = [*operation.get("parameters", ())]
            places += operation.get("requestBody", {}).get("content", {}).values()
            for response in operation["responses"].values():
                places += [*response.get("content", {}).values()]
                places += [_header(document, one) for one in response.get("headers", {}).values()]
            for place in places:
                yield f"{method} {path}", place, "example" if "example" in place else "examples"


def test_whatever_example_is_taken_out_is_missed(document: Any) -> None:
    count = 0
    for name, place, key in holes(document):
        kept = place.pop(key)
        assert any(each.startswith(f"{name}:") for each in lacking_at(document, name)), (name, key)
        place[key] = kept
        count += 1
    assert count > 200
    assert not list(lacking(document))


def lacking_at(document: Any, name: str) -> list[str]:
    """Return what one call lacks."""
    method, path = name.split()
    paths = {path: {method: document["paths"][path][method]}}
    return list(lacking({"paths": paths, "components": document["components"]}))


@pytest.mark.parametrize(("status", "code"), sorted(WITH_BODY | {("401", "unauthenticated")}))
def test_an_error_that_is_left_out_is_missed(document: Any, status: str, code: str) -> None:
    broken = copy.deepcopy(document)
    responses = broken["paths"]["/v1/evaluate"]["post"]["responses"]
    del responses[status]["content"][PROBLEM_TYPE]["examples"][code]
    assert f"post /v1/evaluate: the error {status} {code}" in list(lacking(broken))


def test_each_line_of_the_ndjson_example_is_an_account(document: Any) -> None:
    body = document["paths"]["/v1/accounts:batch"]["post"]["requestBody"]["content"]
    lines = body["application/x-ndjson"]["example"].splitlines()
    assert [orjson.loads(line) for line in lines] == body["application/json"]["example"]


def test_every_limit_is_told_with_its_default(document: Any) -> None:
    told, settings = document["info"]["description"], Settings.model_fields
    for name, what, most, then in LIMITS:
        assert f"| {what} (`PLIMSOLL_{name.upper()}`) | {most} | {then} |" in told
        assert _number(most) == settings[name].default, name
    ends = ("_max", "_max_bytes", "_per_s", "_timeout_s")
    bounds = {name for name in settings if name.endswith(ends)}
    assert {name for name, *_ in LIMITS} == bounds - OF_OTHERS


# Bounds that no REST call meets: what we send, what the stream takes, what webhooks wait for.
OF_OTHERS = {"client_frame_max_bytes", "frame_max_bytes", "webhook_timeout_s"}


def _number(words: str) -> float:
    found = re.match(r"[\d,]+", words)
    assert found is not None
    return int(found[0].replace(",", "")) * (2**20 if "MiB" in words else 1)


def test_every_error_that_any_call_may_meet_is_told(document: Any) -> None:
    for code, status, words in ANY_CALL:
        assert f"| {status} | `{code}` | {words} |" in document["info"]["description"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "code", "foreseen"),
    [
        (404, "unknown_account", True),
        (404, "unknown_webhook", False),
        (409, "unknown_account", False),
        (405, "method_not_allowed", True),
        (200, None, True),
        (201, None, False),
    ],
)
async def test_an_answer_that_nobody_foresaw_is_noticed(
    status: int, code: str | None, foreseen: bool
) -> None:
    response = httpx.Response(
        status,
        headers={"content-type": "application/json" if code is None else PROBLEM_TYPE},
        content=orjson.dumps({"code": code}),
        request=httpx.Request("GET", "http://worker/v1/accounts/a1"),
    )
    with contextlib.nullcontext() if foreseen else pytest.raises(AssertionError):
        await check_documented(response)
