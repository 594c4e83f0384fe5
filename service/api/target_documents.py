"""What the OpenAPI document says of `/v1/targets`."""

from service.api.documents import (
    BODY_ERRORS,
    answer,
    json_body,
    operation,
    path_parameter,
    query_parameter,
    with_links,
)
from service.contract.examples import CURSOR
from service.contract.targets import (
    TargetDocument,
    TargetLettersView,
    TargetsView,
    TargetView,
    TestSent,
)
from service.contract.webhooks import RECEIVER_ID_PATTERN, Replayed
from service.errors import (
    InvalidInput,
    StoreUnavailable,
    TargetsOff,
    TooManyItems,
    UnknownTarget,
)
from service.store.api_keys import Scope

READING: tuple[Scope, ...] = ("alerts:read",)
# Whoever decides where alerts are sent could read them there.
WRITING: tuple[Scope, ...] = ("accounts:write", "alerts:read")

_ID = path_parameter("target_id", "The target's name, chosen by you.", RECEIVER_ID_PATTERN, "desk")
_WISHES = {"accounts": ["desk-7.*"], "levels": ["LIQUIDATION"], "silenced": False, "windowS": 10}
_WANTED = {"url": "tgram://123456789:abcdefg_hijklmnop/12315544/", **_WISHES}
_VIEW = {
    "id": "desk",
    "service": "tgram",
    **_WISHES,
    "createdAt": 1_760_130_000_000,
    "cursor": CURSOR,
    "deliveredAt": 1_760_130_010_004,
    "attempts": 0,
    "nextAttemptAt": None,
    "lastError": None,
    "deadLetters": 0,
}
_LETTER = {
    "id": "msg_5f2b0c9e4d7a1836b0c9e4d7a1836b0c",
    "failedAt": 1_760_216_400_000,
    "attempts": 31,
    "error": "answered 401",
    "payload": {
        "kind": "failure",
        "title": "Plimsoll: 1 LIQUIDATION",
        "body": "desk-7.a (USDT): LIQUIDATION, was MARGIN_CALL, margin ratio 1.02",
        "alerts": 1,
    },
}
_MISSING = (InvalidInput, UnknownTarget, StoreUnavailable)
_CALLS = (
    "getTarget",
    "testTarget",
    "getTargetLetters",
    "replayTargetLetters",
    "deleteTarget",
)
_THERE = answer(
    "It was there already: its URL is this one now, and how far it is stays.", TargetView, _VIEW
)
_NEW = answer(
    "It is new and is told of what is logged from now on.",
    TargetView,
    {**_VIEW, "deliveredAt": None},
)

PUT = operation(
    "putTarget",
    "Have a chat, a mailbox or a pager told of alerts",
    {
        200: with_links(_THERE, "target_id", *_CALLS),
        201: with_links(_NEW, "target_id", *_CALLS),
    },
    body=json_body(TargetDocument, _WANTED),
    parameters=[_ID],
    errors=(*BODY_ERRORS, TargetsOff, TooManyItems, StoreUnavailable),
    access=WRITING,
    once=True,
)
TEST = operation(
    "testTarget",
    "Send a target a message that says only that it arrived",
    {
        202: answer(
            "It is being sent, a few times if need be; in vain, it is a dead letter of this id.",
            TestSent,
            {"id": _LETTER["id"]},
        )
    },
    parameters=[_ID],
    errors=(*_MISSING, TargetsOff),
    access=WRITING,
    once=True,
)
LIST = operation(
    "getTargets",
    "All targets, and how they fare",
    {200: answer("By name, without their URLs.", TargetsView, {"targets": [_VIEW]})},
    errors=(InvalidInput, StoreUnavailable),
    access=READING,
)
GET = operation(
    "getTarget",
    "A target, and how it fares",
    {200: answer("It, without its URL.", TargetView, _VIEW)},
    parameters=[_ID],
    errors=_MISSING,
    access=READING,
)
DELETE = operation(
    "deleteTarget",
    "Tell a target no more",
    {204: answer("Gone, with its dead letters; a message under way may still arrive.")},
    parameters=[_ID],
    errors=_MISSING,
    access=WRITING,
    once=True,
)
LETTERS = operation(
    "getTargetLetters",
    "Messages that were given up",
    {
        200: answer(
            "The newest hundred, oldest first.", TargetLettersView, {"deadLetters": [_LETTER]}
        )
    },
    parameters=[_ID],
    errors=_MISSING,
    access=READING,
)
REPLAY = operation(
    "replayTargetLetters",
    "Send dead letters of a target again",
    {
        200: answer(
            "So many are sent again, under their old ids; what fails again is back in the list.",
            Replayed,
            {"replayed": 1},
        )
    },
    parameters=[
        _ID,
        query_parameter("id", "Only this one; all where absent.", _LETTER["id"], type="string"),
    ],
    errors=_MISSING,
    access=WRITING,
    once=True,
)
