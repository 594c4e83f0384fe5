"""The OpenAPI document: it is the one in the repository, it resolves, and its examples are true."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft202012Validator

from service.api import checkup_examples, examples
from service.api.problems import PROBLEM_TYPE, STATUS
from service.app import contract_documents
from service.settings import RELEASE
from tests.api.workers import account, instrument, long

ROOT = Path(__file__).parents[2]
FILE = ROOT / "openapi" / "openapi.json"
CALLS = {
    "POST /v1/evaluate",
    "POST /v1/evaluate:ccxt",
    "POST /v1/simulate",
    "PUT /v1/instruments",
    "GET /v1/instruments",
    "PUT /v1/accounts/{account_id}",
    "GET /v1/accounts/{account_id}",
    "DELETE /v1/accounts/{account_id}",
    "POST /v1/accounts:batch",
    "POST /v1/accounts/{account_id}/adjust",
    "GET /v1/accounts/{account_id}/risk",
    "GET /v1/accounts/{account_id}/health",
    "POST /v1/size",
    "GET /v1/accounts",
    "POST /v1/marks",
    "GET /v1/marks",
    "GET /v1/markets",
    "GET /v1/alerts",
    "GET /v1/alerts/stream",
    "POST /v1/alerts/{alert_id}/ack",
    "GET /v1/alerts/{alert_id}/explain",
    "PUT /v1/webhooks/{webhook_id}",
    "GET /v1/webhooks/{webhook_id}",
    "DELETE /v1/webhooks/{webhook_id}",
    "GET /v1/webhooks",
    "POST /v1/webhooks/{webhook_id}/secret",
    "GET /v1/webhooks/{webhook_id}/dead-letters",
    "POST /v1/webhooks/{webhook_id}/dead-letters:replay",
    "PUT /v1/targets/{target_id}",
    "GET /v1/targets/{target_id}",
    "DELETE /v1/targets/{target_id}",
    "GET /v1/targets",
    "POST /v1/targets/{target_id}/test",
    "GET /v1/targets/{target_id}/dead-letters",
    "POST /v1/targets/{target_id}/dead-letters:replay",
    "GET /v1/adl/{symbol}",
    "PUT /v1/funds/{venue}/{asset}",
    "GET /v1/funds",
    "GET /v1/funds/{venue}/{asset}",
    "POST /v1/silences",
    "GET /v1/silences",
    "DELETE /v1/silences/{silence_id}",
    "PUT /v1/log-level",
    "GET /v1/log-level",
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
}


@pytest.fixture(scope="module")
def document() -> Any:
    return orjson.loads(contract_documents()["openapi.json"])


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def nodes(node: Any) -> Iterator[Any]:
    yield node
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from nodes(child)


def checker(document: Any, schema: Any) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": document["components"]})


def test_the_file_is_what_the_service_says() -> None:
    said = contract_documents()["openapi.json"]
    assert FILE.read_text(encoding="utf-8") == said, "run `plimsoll openapi`"


def test_it_lists_every_call(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert {name for name, _ in operations(document)} == CALLS


def test_every_reference_resolves_and_every_schema_is_used(document: Any) -> None:
    used = {node["$ref"] for node in nodes(document) if isinstance(node, dict) and "$ref" in node}
    components = document["components"]
    assert used == {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in components[kind]
    }
    schemas = components["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_every_call_has_a_summary_and_an_id(document: Any) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for name, operation in operations(document):
        assert operation["summary"], name


def test_every_error_of_the_table_is_an_example_somewhere(document: Any) -> None:
    codes = {
        code
        for _, operation in operations(document)
        for response in operation["responses"].values()
        for media_type, content in response.get("content", {}).items()
        if media_type == PROBLEM_TYPE
        for code in content.get("examples", {})
    }
    assert codes == {error.code for error in STATUS} - {"unknown_venue"}


def test_numbers_may_be_decimal_strings(document: Any) -> None:
    position = document["components"]["schemas"]["PositionDocument"]["properties"]
    assert position["contracts"]["type"] == ["number", "string"]
    assert not re.search(r"1\.79769", orjson.dumps(document).decode())


@pytest.mark.anyio
async def test_answers_are_as_documented(document: Any, worker: httpx.AsyncClient) -> None:
    mark = {"symbol": "BTC/USDT:USDT", "markPrice": 50_100}
    holder = account(long())
    sent: list[tuple[str, str, str | None, Any]] = [
        ("PUT", "/v1/instruments", None, [instrument(), {}]),
        ("GET", "/v1/instruments", None, None),
        ("POST", "/v1/marks", None, {"marks": [mark, {}]}),
        ("GET", "/v1/marks", None, None),
        ("GET", "/v1/markets", None, None),
        ("PUT", "/v1/accounts/{account_id}", "a1", holder),
        ("GET", "/v1/accounts/{account_id}", "a1", None),
        ("GET", "/v1/accounts/{account_id}/risk", "a1", None),
        ("GET", "/v1/accounts/{account_id}/health", "a1", None),
        ("POST", "/v1/size", None, checkup_examples.SIZE),
        ("POST", "/v1/evaluate", None, examples.EVALUATE),
        ("GET", "/v1/accounts/{account_id}", "nobody", None),
        ("POST", "/v1/accounts:batch", None, [holder | {"id": "b"}, {}]),
        ("POST", "/v1/accounts:batch", None, [{}]),
        (
            "POST",
            "/v1/accounts/{account_id}/adjust",
            "a1",
            {"asset": "USDT", "delta": 1, "reason": "fee"},
        ),
        ("POST", "/v1/evaluate", None, {"accounts": [holder | {"id": "c"}, {}]}),
        ("GET", "/v1/alerts", None, None),
        ("GET", "/livez", None, None),
        ("GET", "/readyz", None, None),
    ]
    for method, path, name, body in sent:
        response = await worker.request(method, path.format(account_id=name), json=body)
        documented = document["paths"][path][method.lower()]["responses"]
        content = documented[str(response.status_code)]["content"]
        schema = content[response.headers["content-type"]]["schema"]
        checker(document, schema).validate(response.json())


def test_the_version_is_the_distributions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == RELEASE


def rounded(node: Any) -> Any:
    """Round figures, so that the last bit of one machine is no difference."""
    if isinstance(node, dict):
        return {name: rounded(value) for name, value in node.items()}
    if isinstance(node, list):
        return [rounded(value) for value in node]
    return round(node, 6) if isinstance(node, float) else node


@pytest.mark.anyio
async def test_the_example_of_evaluate_is_its_answer(alone: httpx.AsyncClient) -> None:
    answer = (await alone.post("/v1/evaluate", json=examples.EVALUATE)).json()
    assert rounded(answer | {"timestamp": checkup_examples.TIME_MS}) == examples.EVALUATE_ANSWER


@pytest.mark.anyio
async def test_the_example_of_size_is_its_answer(alone: httpx.AsyncClient) -> None:
    answer = (await alone.post("/v1/size", json=checkup_examples.SIZE)).json()
    assert rounded(answer | {"timestamp": checkup_examples.TIME_MS}) == checkup_examples.SIZED
