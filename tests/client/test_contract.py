"""The client's models are the contract's: every field, its type, whether it may be null or out."""

import dataclasses
import json
import types
import typing
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

import pytest

from plimsoll import alerts, documents
from plimsoll.decoding import decode, wire_name
from plimsoll.errors import PROBLEM_OF_STATUS, Problem, UnexpectedAnswer
from tests.client.left_out import LEFT_OUT
from tests.client.models import MODELS

OPENAPI = Path(__file__).parents[2] / "openapi"
REST = json.loads((OPENAPI / "openapi.json").read_text())
STREAM = json.loads((OPENAPI / "asyncapi.json").read_text())
SCHEMAS: dict[str, Any] = {
    **REST["components"]["schemas"],
    **STREAM["components"]["schemas"],
}

# Fields that a model leaves out on purpose, and why.
FIELDS_LEFT_OUT = {
    ("Subscribe", "symbols"): "of the channel `marks`",
    ("Subscribe", "silenced"): "who runs a bot is told what the desk wants to hear",
}
# Frames are read piece by piece; the pieces are decoded into records.
UNREAD = {("AlertsFrame", "alerts"): dict, ("Snapshot", "accounts"): dict}
PRIMITIVES = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": None,
    "object": dict,
}


def of_schema(schema: dict[str, Any]) -> Any:
    """Return a schema's type in a form to compare: names of models, kinds, sets of alternatives."""
    if "$ref" in schema:
        return MODELS[schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return frozenset().union(*(_alternatives(of_schema(each)) for each in schema["anyOf"]))
    if "enum" in schema:
        return ("one of", frozenset(schema["enum"]))
    if isinstance(schema["type"], list):
        return frozenset(PRIMITIVES[name] for name in schema["type"])
    if schema["type"] == "array":
        return ("list", of_schema(schema["items"]))
    return PRIMITIVES[schema["type"]]


def of_hint(hint: Any) -> Any:
    """Return an annotation's type in the same form."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return of_hint(arguments[0])
    if origin in (Union, types.UnionType):
        return frozenset().union(*(_alternatives(of_hint(each)) for each in arguments))
    if origin is Literal:
        return ("one of", frozenset(arguments))
    if origin in (list, typing.get_origin(typing.Sequence[int])):
        return ("list", of_hint(arguments[0]))
    if origin is dict:
        return dict
    return None if hint is type(None) else hint


def _alternatives(kind: Any) -> frozenset[Any]:
    return kind if isinstance(kind, frozenset) else frozenset({kind})


def fields_of(model: Any) -> dict[str, tuple[Any, bool]]:
    """Return a model's fields by the wire's names: type, and whether each is always there."""
    if dataclasses.is_dataclass(model):
        hints = get_type_hints(model)
        missing = dataclasses.MISSING
        return {
            wire_name(field.name): (
                of_hint(hints[field.name]),
                field.default is missing and field.default_factory is missing,
            )
            for field in dataclasses.fields(model)
        }
    hints = get_type_hints(model, include_extras=True)
    return {
        name: (of_hint(hint), get_origin(hint) is not NotRequired) for name, hint in hints.items()
    }


def fields_of_schema(name: str, schema: dict[str, Any]) -> dict[str, tuple[Any, bool]]:
    return {
        field: (_read(name, field, each), field in schema["required"])
        for field, each in schema["properties"].items()
        if (name, field) not in FIELDS_LEFT_OUT
    }


def _read(name: str, field: str, schema: dict[str, Any]) -> Any:
    if (name, field) in UNREAD:
        return ("list", UNREAD[name, field])
    # Codes of errors grow; a client takes any.
    return str if (name, field) == ("ErrorFrame", "code") else of_schema(schema)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_has_the_fields_of_the_contract(name: str) -> None:
    assert fields_of(MODELS[name]) == fields_of_schema(name, SCHEMAS[name])


def test_every_schema_has_a_model_or_is_left_out_on_purpose() -> None:
    assert SCHEMAS.keys() == MODELS.keys() | LEFT_OUT
    assert not MODELS.keys() & LEFT_OUT


def test_both_documents_say_the_same_of_what_they_share() -> None:
    shared = REST["components"]["schemas"].keys() & STREAM["components"]["schemas"].keys()
    assert {"Alert", "PoolState"} <= shared
    for name in shared:
        rest, stream = (deepcopy(each["components"]["schemas"][name]) for each in (REST, STREAM))
        for field in rest["properties"].values():
            if "discriminator" in field:  # a name and a mapping in OpenAPI, a name in AsyncAPI
                field["discriminator"] = field["discriminator"]["propertyName"]
        assert rest["properties"] == stream["properties"], name


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "object", "properties": {"deposit": {"type": "number"}}, "required": ["deposit"]},
        {
            **SCHEMAS["ToRestore"],
            "properties": {**SCHEMAS["ToRestore"]["properties"], "more": {"type": "string"}},
        },
        {**SCHEMAS["ToRestore"], "required": ["deposit"]},
    ],
    ids=["lost its null and a field", "a field more", "not always there"],
)
def test_a_contract_that_moved_on_would_be_noticed(broken: dict[str, Any]) -> None:
    assert fields_of(alerts.ToRestore) != fields_of_schema("ToRestore", broken)


def test_every_venue_level_and_status_is_known() -> None:
    parameters = REST["paths"]["/v1/marks"]["get"]["parameters"]
    (venue,) = (each["schema"]["enum"] for each in parameters if each["name"] == "venue")
    assert set(get_args(documents.Venue)) == set(venue)
    statuses = {
        int(status)
        for path in REST["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
    }
    # 408 and 500 are the plain Problem: there is nothing else to do about them.
    assert {status for status in statuses if status >= 400} - {408, 500} <= PROBLEM_OF_STATUS.keys()
    assert all(issubclass(kind, Problem) for kind in PROBLEM_OF_STATUS.values())


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = STREAM["components"]["messages"][name]["examples"][0]["payload"]
    return found


def test_the_contracts_example_becomes_a_record_and_new_fields_are_ignored() -> None:
    (document,) = example("AlertsFrame")["alerts"]
    assert isinstance(document, dict)
    alert = decode(alerts.Alert, {**document, "news": 1})
    assert alert == decode(alerts.Alert, document)
    assert (alert.account_id, alert.level, alert.pool) == (
        "desk-7",
        "MARGIN_CALL",
        alerts.CrossPool("cross", "USDT"),
    )
    assert alert.positions[0].liquidation_price == 58_000.0
    assert alert.to_restore == alerts.ToRestore(644.45, [])
    assert alert.repeat_of is None


def test_what_lacks_a_field_is_not_taken_for_an_alert() -> None:
    (document,) = example("AlertsFrame")["alerts"]
    for name in ("id", "pool", "toRestore"):
        less = {key: value for key, value in document.items() if key != name}
        with pytest.raises(UnexpectedAnswer):
            decode(alerts.Alert, less)
    another = {**document, "pool": {"kind": "new", "settle": "USDT"}}
    wrongs: tuple[object, ...] = (None, [], "alert", another)
    for wrong in wrongs:
        with pytest.raises(UnexpectedAnswer):
            decode(alerts.Alert, wrong)
