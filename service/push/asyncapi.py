"""The AsyncAPI 3 document of the streams, written from the frames' classes.

`openapi/asyncapi.json` is this, and a test compares them.
"""

import inspect
import json
from typing import Any, Literal

import msgspec

from service.contract.frames import CLIENT_FRAMES, SERVER_FRAMES
from service.contract.numbers import say_decimal
from service.contract.producing import PRODUCER_ANSWERS, PRODUCER_FRAMES
from service.push.asyncapi_texts import ABOUT, EXAMPLES
from service.push.close_codes import REASONS

Document = dict[str, Any]

_KEY = {"$ref": "#/components/securitySchemes/apiKey"}
Frames = tuple[type[msgspec.Struct], ...]
# Channel: address, title, what a client sends on it and what the service sends.
_CHANNELS: dict[str, tuple[str, str, Frames, Frames]] = {
    "stream": (
        "/v1/stream",
        "One WebSocket for every subscription of a client",
        CLIENT_FRAMES,
        SERVER_FRAMES,
    ),
    "marks": (
        "/v1/marks/stream",
        "A WebSocket for a producer of marks",
        PRODUCER_FRAMES,
        PRODUCER_ANSWERS,
    ),
}


def document() -> Document:
    """Return the document as plain JSON values."""
    of_all = [frame for *_, sent, answers in _CHANNELS.values() for frame in (*sent, *answers)]
    frames = tuple(dict.fromkeys(of_all))
    _, schemas = msgspec.json.schema_components(frames, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plimsoll stream",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8000", "protocol": "ws", "security": [_KEY]}},
        "channels": {name: _channel(*about) for name, about in _CHANNELS.items()},
        "operations": {
            "receiveFrames": _operation("receive", "What a client sends.", "stream"),
            "sendFrames": _operation("send", "What the service sends.", "stream"),
            "receiveMarks": _operation("receive", "What a producer of marks sends.", "marks"),
            "sendMarkAnswers": _operation("send", "What a producer is sent.", "marks"),
        },
        "components": {
            "messages": {frame.__name__: _message(frame) for frame in frames},
            "schemas": {name: _tidy(schema) for name, schema in sorted(schemas.items())},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def render() -> str:
    """Return the document as the file holds it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _channel(address: str, title: str, sent: Frames, answers: Frames) -> Document:
    names = [frame.__name__ for frame in (*sent, *answers)]
    return {
        "address": address,
        "title": title,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "x-close-codes": {str(int(code)): reason for code, reason in REASONS.items()},
    }


def _operation(action: Literal["receive", "send"], summary: str, channel: str) -> Document:
    *_, sent, answers = _CHANNELS[channel]
    frames = sent if action == "receive" else answers
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [
            {"$ref": f"#/channels/{channel}/messages/{frame.__name__}"} for frame in frames
        ],
    }


def _message(frame: type[msgspec.Struct]) -> Document:
    return {
        "name": str(frame.__struct_config__.tag or frame.__name__),
        "title": frame.__name__,
        "summary": _one_line(inspect.getdoc(frame) or ""),
        "payload": {"$ref": f"#/components/schemas/{frame.__name__}"},
        "examples": [
            {"payload": msgspec.to_builtins(example)}
            for example in EXAMPLES
            if type(example) is frame
        ],
    }


def _tidy(schema: Any) -> Any:
    """Return a schema as AsyncAPI has it: a discriminator is a property's name and nothing more.

    Docstrings are broken into lines for an editor, descriptions are not.
    """
    if isinstance(schema, list | tuple):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(part) for key, part in schema.items()}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = _one_line(tidy["description"])
    if isinstance(tidy.get("discriminator"), dict):
        tidy["discriminator"] = tidy["discriminator"]["propertyName"]
    say_decimal(tidy)
    return tidy


def _one_line(text: str) -> str:
    return " ".join(text.split())
