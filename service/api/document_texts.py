"""What OpenAPI says of the service as a whole: its rules in words, headers, keys."""

from typing import Any

DESCRIPTION = """Real-time risk for perpetual futures: how close is each account to a margin call, \
to liquidation, to owing money?

Numbers are taken as JSON numbers or decimal strings, finite only, and answered as numbers; a \
figure that has no value is `null`, with a reason beside it. Times are epoch milliseconds. Errors \
are RFC 9457 problems: switch on `code`, read `detail`.

Where keys are in force, every call but `livez` and `readyz` needs one. A key belongs to a tenant \
and sees and writes that tenant's accounts, alerts and webhooks; what is another's is not there. \
Marks and instruments are the operator's, and everybody's to read.

A key has units for its calls, which grow back. A call costs one; one that carries a list as many \
as there are in it: accounts, marks or instruments; an evaluation its accounts or its positions, \
whichever are more. Without units: 429. NDJSON is not refused but read more slowly."""

HEADERS: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "The units that the key may use at once, and in how many seconds they grow "
        "back (draft-ietf-httpapi-ratelimit-headers). Absent where it has no limit.",
        "schema": {"type": "string"},
        "example": '"key";q=100000;w=10',
    },
    "RateLimit": {
        "description": "The units that are left, and in how many seconds all of them are there.",
        "schema": {"type": "string"},
        "example": '"key";r=99990;t=1',
    },
    "ETag": {
        "description": "What stands for the answer in `If-None-Match`; an account's is its version "
        "and stands for it in `If-Match` too.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "Retry-After": {
        "description": "Seconds after which the call may be made again.",
        "schema": {"type": "integer"},
        "example": 1,
    },
}
SECURITY: dict[str, Any] = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `plimsoll keys create`; `admin` includes every scope.",
    }
}
