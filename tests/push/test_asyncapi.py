"""The AsyncAPI document in the repository is the classes' own, and its examples are valid."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from service.contract.frames import CLIENT_FRAMES, SERVER_FRAMES
from service.contract.producing import MarkBatch, Taken
from service.push.asyncapi import document, render
from tests.push.stream import DOCUMENT

SPECIFICATION = Path(__file__).with_name("asyncapi-3.0.0.schema.json")


def test_the_file_is_what_the_classes_say() -> None:
    assert DOCUMENT.read_text() == render(), "write it again: plimsoll openapi"


@pytest.mark.parametrize("frame", [*CLIENT_FRAMES, *SERVER_FRAMES, MarkBatch, Taken])
def test_every_frame_has_a_message_and_a_valid_example(frame: type) -> None:
    written = document()
    message = written["components"]["messages"][frame.__name__]
    validator = Draft202012Validator({**message["payload"], "components": written["components"]})
    assert message["examples"]
    for example in message["examples"]:
        validator.validate(example["payload"])


def test_every_reference_leads_somewhere() -> None:
    written = document()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target = written
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(json.loads(json.dumps(written)))


def test_it_is_an_asyncapi_document() -> None:
    Draft7Validator(json.loads(SPECIFICATION.read_text())).validate(_plain(document()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "2.6.0"),
        (("info", "title"), None),
        (("channels", "stream", "messages", "Ping"), {"payload": 1}),
        (("channels", "stream", "adress"), "/v1/stream"),
        (("operations", "sendFrames", "action"), "publish"),
        (("operations", "sendFrames", "messages"), [{"name": "Ping"}]),
        (("components", "messages", "Ping", "examples"), [{"pay": {}}]),
        (("components", "schemas", "Ping", "type"), "objects"),
        (("components", "securitySchemes", "apiKey", "type"), "key"),
    ],
)
def test_a_document_with_a_mistake_is_none(path: tuple[str, ...], value: object) -> None:
    written = place = _plain(document())
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not Draft7Validator(json.loads(SPECIFICATION.read_text())).is_valid(written)


def _plain(written: object) -> Any:
    return json.loads(json.dumps(written))
