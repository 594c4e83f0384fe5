"""What the OpenAPI document says of `/v1/webhooks`."""

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
from service.contract.webhooks import (
    RECEIVER_ID_PATTERN,
    DeadLettersView,
    Replayed,
    WebhookDocument,
    WebhookSecret,
    WebhooksView,
    WebhookView,
)
from service.errors import InvalidInput, StoreUnavailable, TooManyItems, UnknownWebhook
from service.store.api_keys import Scope

READING: tuple[Scope, ...] = ("alerts:read",)
# Whoever decides where alerts are sent could read them there.
WRITING: tuple[Scope, ...] = ("accounts:write", "alerts:read")

_ID = path_parameter("webhook_id", "The webhook's name, chosen by you.", RECEIVER_ID_PATTERN, "ops")
_WANTED = {"url": "https://example.com/alerts", "accounts": ["desk-7.*"], "levels": ["LIQUIDATION"]}
_VIEW = {
    "id": "ops",
    **_WANTED,
    "silenced": False,
    "createdAt": 1_760_130_000_000,
    "cursor": CURSOR,
    "deliveredAt": 1_760_130_000_004,
    "attempts": 0,
    "nextAttemptAt": None,
    "lastError": None,
    "deadLetters": 0,
    "secret": None,
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBQLB3G0w0Zc="
_LETTER = {
    "id": "msg_5f2b0c9e4d7a1836b0c9e4d7a1836b0c",
    "failedAt": 1_760_216_400_000,
    "attempts": 31,
    "error": "answered 500",
    "payload": {
        "type": "alerts",
        "timestamp": "2025-10-10T21:00:00+00:00",
        "data": {"webhook": "ops", "cursor": CURSOR, "recovered": True, "alerts": []},
    },
}
_MISSING = (InvalidInput, UnknownWebhook, StoreUnavailable)

_CALLS = (
    "getWebhook",
    "rotateWebhookSecret",
    "getDeadLetters",
    "replayDeadLetters",
    "deleteWebhook",
)
_THERE = answer("It was there already: its secret and where it is stay.", WebhookView, _VIEW)
_NEW = answer(
    "It is new and hears of what is logged from now on. The secret is shown only here; "
    "calls are signed with it as Standard Webhooks says.",
    WebhookView,
    {**_VIEW, "deliveredAt": None, "secret": _SECRET},
)

PUT = operation(
    "putWebhook",
    "Have a URL called with alerts",
    {
        200: with_links(_THERE, "webhook_id", *_CALLS),
        201: with_links(_NEW, "webhook_id", *_CALLS),
    },
    body=json_body(WebhookDocument, _WANTED),
    parameters=[_ID],
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access=WRITING,
    once=True,
)
LIST = operation(
    "getWebhooks",
    "All webhooks, and how they fare",
    {200: answer("By name.", WebhooksView, {"webhooks": [_VIEW]})},
    errors=(InvalidInput, StoreUnavailable),
    access=READING,
)
GET = operation(
    "getWebhook",
    "A webhook, and how it fares",
    {200: answer("It, without its secret.", WebhookView, _VIEW)},
    parameters=[_ID],
    errors=_MISSING,
    access=READING,
)
DELETE = operation(
    "deleteWebhook",
    "Call a URL no more",
    {204: answer("Gone, with its dead letters; a call that is under way may still arrive.")},
    parameters=[_ID],
    errors=_MISSING,
    access=WRITING,
    once=True,
)
ROTATE = operation(
    "rotateWebhookSecret",
    "Replace a webhook's secret",
    {
        200: answer(
            "The new secret, shown only here; for a day calls are signed with the old one too.",
            WebhookSecret,
            {"secret": _SECRET, "previousGoodUntil": 1_760_216_400_000},
        )
    },
    parameters=[_ID],
    errors=_MISSING,
    access=WRITING,
    once=True,
)
LETTERS = operation(
    "getDeadLetters",
    "Deliveries that were given up",
    {200: answer("The newest hundred, oldest first.", DeadLettersView, {"deadLetters": [_LETTER]})},
    parameters=[_ID],
    errors=_MISSING,
    access=READING,
)
REPLAY = operation(
    "replayDeadLetters",
    "Send dead letters again",
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
