"""The AsyncAPI document in the repository is the classes' own, and its examples are valid."""

import json

import pytest
from jsonschema import Draft202012Validator

from service.contract.frames import CLIENT_FRAMES, SERVER_FRAMES
from service.push.asyncapi import document, render
from tests.push.stream import DOCUMENT


def test_the_file_is_what_the_classes_say() -> None:
    assert DOCUMENT.read_text() == render(), "write it again: plimsoll openapi"


@pytest.mark.parametrize("frame", [*CLIENT_FRAMES, *SERVER_FRAMES])
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
