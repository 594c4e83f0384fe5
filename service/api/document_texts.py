"""What OpenAPI says of all calls' headers and of keys."""

from typing import Any

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
    "WWW-Authenticate": {
        "description": "How to say who you are.",
        "schema": {"type": "string"},
        "example": "Bearer",
    },
}
SECURITY: dict[str, Any] = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `plimsoll keys create`; `admin` includes every scope.",
    }
}
