"""What OpenAPI says of the account calls."""

from service.api import checkup_examples, examples
from service.api.documents import (
    BODY_ERRORS,
    IF_NONE_MATCH,
    UNCHANGED,
    answer,
    header_parameter,
    json_body,
    operation,
    path_parameter,
    query_parameter,
    with_etag,
    with_links,
)
from service.contract.accounts import AccountDocument, NamedAccountDocument
from service.contract.health import HealthAnswer
from service.contract.likelihood import HORIZON_MAX_S
from service.contract.names import ACCOUNT_ID_PATTERN
from service.contract.questions import RankedPlace, encode_place
from service.contract.results import (
    AccountView,
    AdjustedAccount,
    Adjustment,
    BatchResult,
    RankedAccounts,
    RiskAnswer,
    WrittenAccount,
)
from service.errors import (
    InvalidCursor,
    InvalidInput,
    MonitorUnavailable,
    StoreUnavailable,
    TooManyItems,
    UnknownAccount,
    VersionMismatch,
)
from service.risk.model import Level

_NAME = path_parameter("account_id", "The account's id.", ACCOUNT_ID_PATTERN, "a1")
_IF_MATCH = header_parameter(
    "If-Match", "Only when the account has this version (its ETag).", '"3"'
)
_IF_NONE = header_parameter("If-None-Match", "`*`: only when there is no such account.", "*")
_PLACE = encode_place(RankedPlace(Level.LIQUIDATION.value, 1.07, "default/a1"))
_WRITTEN = {"id": "a1", "version": 3}

PUT = operation(
    "putAccount",
    "Replace an account",
    {
        200: with_links(
            with_etag(answer("Stored.", WrittenAccount, _WRITTEN)),
            "account_id",
            "getAccount",
            "getRisk",
            "adjustAccount",
            "deleteAccount",
        )
    },
    body=json_body(AccountDocument, examples.ACCOUNT),
    parameters=[_NAME, _IF_MATCH, _IF_NONE],
    errors=(*BODY_ERRORS, TooManyItems, VersionMismatch, StoreUnavailable),
    access="accounts:write",
    once=True,
)
GET = operation(
    "getAccount",
    "An account as it is stored",
    {
        200: with_etag(answer("The account.", AccountView, _WRITTEN | examples.ACCOUNT)),
        304: UNCHANGED,
    },
    parameters=[_NAME, IF_NONE_MATCH],
    errors=(InvalidInput, UnknownAccount, StoreUnavailable),
    access="accounts:read",
)
DELETE = operation(
    "deleteAccount",
    "Remove an account; its seq and version go on when it comes back",
    {204: with_etag(answer("Removed."))},
    parameters=[_NAME, _IF_MATCH],
    errors=(InvalidInput, UnknownAccount, VersionMismatch, StoreUnavailable),
    access="accounts:write",
    once=True,
)
BATCH = operation(
    "putAccounts",
    "Replace many accounts, each by itself",
    {
        200: answer(
            "What became of each.",
            BatchResult,
            {
                "accepted": 1,
                "refused": 0,
                "results": [{"index": 0, "status": "ok", "id": "a1", "version": 3}],
            },
        )
    },
    body=json_body(
        list[NamedAccountDocument],
        [{"id": "a1"} | examples.ACCOUNT],
        as_lines=True,
    ),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="accounts:write",
    once=True,
)
ADJUST = operation(
    "adjustAccount",
    "Change a balance; the reason becomes the cause of what it moves",
    {
        200: with_etag(
            answer(
                "The balance as it is now.",
                AdjustedAccount,
                _WRITTEN | {"asset": "USDT", "amount": 990.5},
            )
        )
    },
    body=json_body(Adjustment, {"asset": "USDT", "delta": -9.5, "reason": "funding"}),
    parameters=[_NAME, _IF_MATCH],
    errors=(*BODY_ERRORS, UnknownAccount, VersionMismatch, StoreUnavailable),
    access="accounts:write",
    once=True,
)
RISK = operation(
    "getRisk",
    "A stored account evaluated now",
    {
        200: with_etag(
            answer("Its figures at the newest marks.", RiskAnswer, examples.RISK_ANSWER)
        ),
        304: UNCHANGED,
    },
    parameters=[
        _NAME,
        query_parameter(
            "findings",
            "Say what is over a limit, as `health` does.",
            "true",
            type="string",
            enum=["true", "false"],
        ),
        query_parameter(
            "horizonS",
            "Say how likely liquidation and a debt are within so many seconds.",
            86_400,
            type="integer",
            minimum=1,
            maximum=HORIZON_MAX_S,
        ),
        IF_NONE_MATCH,
    ],
    errors=(InvalidInput, TooManyItems, UnknownAccount, StoreUnavailable),
    access="accounts:read",
)
HEALTH = operation(
    "getHealth",
    "The health check of a stored account: what is over a limit, and what clears it",
    {
        200: with_etag(answer("What is found now.", HealthAnswer, checkup_examples.HEALTH_ANSWER)),
        304: UNCHANGED,
    },
    parameters=[_NAME, IF_NONE_MATCH],
    errors=(InvalidInput, TooManyItems, UnknownAccount, StoreUnavailable),
    access="accounts:read",
)
WORST = operation(
    "listAccounts",
    "Accounts at or beyond a level, worst first",
    {
        200: answer(
            "A page; no cursor: these were all.",
            RankedAccounts,
            {
                "accounts": [{"id": "a1", "level": "LIQUIDATION", "marginRatio": 1.07}],
                "cursor": None,
                "counts": None,
            },
        )
    },
    parameters=[
        query_parameter(
            "level",
            "The least level.",
            "MARGIN_CALL",
            type="string",
            enum=[level.name for level in Level],
        ),
        query_parameter("limit", "Most accounts.", 100, type="integer", minimum=1, maximum=1_000),
        query_parameter("cursor", "Where the last page ended.", _PLACE, type="string"),
        query_parameter(
            "match",
            "Only accounts with this in their id, in large or small letters.",
            "desk-7",
            type="string",
            pattern=f"^$|{ACCOUNT_ID_PATTERN}",  # empty is absent, as everywhere
        ),
        query_parameter(
            "counts",
            "Also how many of them are at each level.",
            "true",
            type="string",
            enum=["true", "false"],
        ),
    ],
    errors=(InvalidInput, InvalidCursor, MonitorUnavailable, StoreUnavailable),
    access="accounts:read",
)
