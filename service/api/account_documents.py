"""What OpenAPI says of the account calls."""

from service.api import examples
from service.api.documents import (
    BODY_ERRORS,
    answer,
    header_parameter,
    json_body,
    operation,
    path_parameter,
    query_parameter,
)
from service.contract.accounts import AccountDocument, NamedAccountDocument
from service.contract.names import ACCOUNT_ID_PATTERN
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

_NAME = path_parameter("account_id", "The account's id.", ACCOUNT_ID_PATTERN)
_IF_MATCH = header_parameter("If-Match", "Only when the account has this version (its ETag).")
_WRITTEN = {"id": "a1", "version": 3}

PUT = operation(
    "putAccount",
    "Replace an account",
    {200: answer("Stored; the ETag is its version.", WrittenAccount, _WRITTEN)},
    body=json_body(AccountDocument, examples.ACCOUNT),
    parameters=[_NAME, _IF_MATCH],
    errors=(*BODY_ERRORS, TooManyItems, VersionMismatch, StoreUnavailable),
    access="accounts:write",
)
GET = operation(
    "getAccount",
    "An account as it is stored",
    {200: answer("The account.", AccountView, _WRITTEN | examples.ACCOUNT)},
    parameters=[_NAME],
    errors=(InvalidInput, UnknownAccount, StoreUnavailable),
    access="accounts:read",
)
DELETE = operation(
    "deleteAccount",
    "Remove an account; its seq and version go on when it comes back",
    {204: answer("Removed.")},
    parameters=[_NAME, _IF_MATCH],
    errors=(InvalidInput, UnknownAccount, VersionMismatch, StoreUnavailable),
    access="accounts:write",
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
        lines_of=NamedAccountDocument,
    ),
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable),
    access="accounts:write",
)
ADJUST = operation(
    "adjustAccount",
    "Change a balance; the reason becomes the cause of what it moves",
    {
        200: answer(
            "The balance as it is now.",
            AdjustedAccount,
            _WRITTEN | {"asset": "USDT", "amount": 990.5},
        )
    },
    body=json_body(Adjustment, {"asset": "USDT", "delta": -9.5, "reason": "funding"}),
    parameters=[_NAME, _IF_MATCH],
    errors=(*BODY_ERRORS, UnknownAccount, VersionMismatch, StoreUnavailable),
    access="accounts:write",
)
RISK = operation(
    "getRisk",
    "A stored account evaluated now",
    {200: answer("Its figures at the newest marks.", RiskAnswer, examples.RISK_ANSWER)},
    parameters=[_NAME],
    errors=(InvalidInput, UnknownAccount, StoreUnavailable),
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
            },
        )
    },
    parameters=[
        query_parameter(
            "level", "The least level.", type="string", enum=[level.name for level in Level]
        ),
        query_parameter("limit", "Most accounts.", type="integer", minimum=1, maximum=1_000),
        query_parameter("cursor", "Where the last page ended.", type="string"),
    ],
    errors=(InvalidInput, InvalidCursor, MonitorUnavailable, StoreUnavailable),
    access="accounts:read",
)
