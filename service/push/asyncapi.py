"""The AsyncAPI 3 document of the stream, written from the frames' classes.

`openapi/asyncapi.json` is this, and a test compares them.
"""

import inspect
import json
from typing import Any

import msgspec

from service.contract.alerts import PoolState
from service.contract.examples import ALERT, CURSOR, EPOCH, POOL
from service.contract.frames import (
    CLIENT_FRAMES,
    SERVER_FRAMES,
    AccountState,
    Acknowledge,
    Acknowledged,
    AlertsFrame,
    Auth,
    ErrorFrame,
    Heartbeat,
    MarksFrame,
    MarkUpdate,
    Notice,
    Ping,
    Pong,
    RiskFrame,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from service.contract.results import RiskUpdate
from service.push.close_codes import REASONS

Document = dict[str, Any]

_ABOUT = """\
Alerts the moment an account's level changes, resumable without loss; and, the latest of each \
and no more, how accounts are (`risk`) and the newest marks.

Where keys are in force, say who you are: by the header `Authorization: Bearer <token>`, or by \
`auth` as the first frame within 10 s; never in the address. Alerts need the scope `alerts:read`, \
`risk` needs `accounts:read`; both are of the key's tenant. A web page must be of this host or of \
an origin the settings allow. When a key is revoked or expires, its connections are closed \
within seconds.

A frame of yours costs a unit of the key's, of which its calls are paid too, a subscription as \
many as it names accounts. When there are none left you are read no further until they have grown \
back: send less, nothing is lost or refused.

Subscribe first; the answer is `subscribed`, then a `snapshot` of the accounts that are not \
HEALTHY (unless `recovered`), then `alerts` as they are logged. Keep the last `cursor` you have \
dealt with and give it back as `since` when you come back: everything after it follows, nothing \
twice in the log, nothing left out. An alert may reach you twice around a reconnection; `id` \
tells. Frames are JSON text and never larger than 256 KiB. Fields you do not know may appear: \
ignore them.

When we close, 4000 to 4499 mean "come back and resume", 4500 to 4999 "do not". The protocol's own \
codes answer what breaks it: 1009 a frame of yours that is too large, 1007 a text that is not \
UTF-8, 1002 a broken frame.\
"""
_KEY = {"$ref": "#/components/securitySchemes/apiKey"}
_EXAMPLES: tuple[msgspec.Struct, ...] = (
    Subscribe("1", "alerts", accounts=["desk-7", "fund.*"]),
    Unsubscribe("1"),
    Ping(),
    Auth("a token"),
    Acknowledge("desk-7-12"),
    Subscribed("1", "alerts", EPOCH, False, CURSOR),
    Snapshot(
        "1",
        [
            AccountState(
                "desk-7", "WARNING", [PoolState(POOL, "WARNING", seq=11, since=1_760_129_990_000)]
            )
        ],
        True,
        CURSOR,
    ),
    AlertsFrame("1", [ALERT], CURSOR),
    MarksFrame("2", [MarkUpdate("generic", "BTC/USDT:USDT", 60_600.0, market_id=48_211)]),
    RiskFrame("3", [RiskUpdate("desk-9", None)]),
    Heartbeat("1", CURSOR),
    Unsubscribed("1"),
    Pong(),
    Acknowledged("desk-7-12", 1_760_130_004_000),
    Notice("stale", "generic", "BTC/USDT:USDT"),
    ErrorFrame("unknown_channel", "channels: alerts, marks, risk", "1"),
)


def document() -> Document:
    """Return the document as plain JSON values."""
    frames = (*CLIENT_FRAMES, *SERVER_FRAMES)
    _, schemas = msgspec.json.schema_components(frames, ref_template="#/components/schemas/{name}")
    names = [frame.__name__ for frame in frames]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plimsoll stream",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:8000", "protocol": "ws", "security": [_KEY]}},
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "title": "One WebSocket for every subscription of a client",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
                "x-close-codes": {str(int(code)): reason for code, reason in REASONS.items()},
            }
        },
        "operations": {
            "receiveFrames": _operation("receive", "What a client sends.", CLIENT_FRAMES),
            "sendFrames": _operation("send", "What the service sends.", SERVER_FRAMES),
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


def _operation(action: str, summary: str, frames: tuple[type[msgspec.Struct], ...]) -> Document:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/stream"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/stream/messages/{frame.__name__}"} for frame in frames],
    }


def _message(frame: type[msgspec.Struct]) -> Document:
    return {
        "name": str(frame.__struct_config__.tag),
        "title": frame.__name__,
        "summary": _one_line(inspect.getdoc(frame) or ""),
        "payload": {"$ref": f"#/components/schemas/{frame.__name__}"},
        "examples": [
            {"payload": msgspec.to_builtins(example)}
            for example in _EXAMPLES
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
    return tidy


def _one_line(text: str) -> str:
    return " ".join(text.split())
