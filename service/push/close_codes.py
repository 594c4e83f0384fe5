"""Why we close a stream: one table. 4000-4499 "come back and resume", 4500-4999 "do not"."""

from enum import IntEnum

from service.errors import (
    MissingScope,
    ServiceError,
    StoreUnavailable,
    TooManyConnections,
    Unauthenticated,
)


class CloseCode(IntEnum):
    """Codes of our own; the protocol's (1000 ... 1015) are the server's business."""

    RESTART = 4000
    SLOW = 4008
    RESYNC = 4009
    KEYS_UNKNOWN = 4010
    TOO_MANY_CONNECTIONS = 4011
    TOO_MANY_ERRORS = 4500
    UNAUTHENTICATED = 4501
    MISSING_SCOPE = 4502


REASONS: dict[CloseCode, str] = {
    CloseCode.RESTART: "restarting: come back and resume",
    CloseCode.SLOW: "too slow: frames were not read in time, resume from your cursor",
    CloseCode.RESYNC: "the log changed under this stream: subscribe again with your cursor",
    CloseCode.KEYS_UNKNOWN: "keys cannot be checked now: come back",
    CloseCode.TOO_MANY_CONNECTIONS: "too many connections of this key: come back when one is gone",
    CloseCode.TOO_MANY_ERRORS: "too many frames that mean nothing",
    CloseCode.UNAUTHENTICATED: "this stream needs an API key that is good: header or `auth` frame",
    CloseCode.MISSING_SCOPE: "this stream needs a key with the scope marks:write",
}
# What somebody is told who is not let in; `api/problems.py` has the statuses of the same.
REFUSALS: dict[type[ServiceError], CloseCode] = {
    Unauthenticated: CloseCode.UNAUTHENTICATED,
    MissingScope: CloseCode.MISSING_SCOPE,
    StoreUnavailable: CloseCode.KEYS_UNKNOWN,
    TooManyConnections: CloseCode.TOO_MANY_CONNECTIONS,
}
assert set(REASONS) == set(CloseCode)
assert all(len(reason.encode()) <= 123 for reason in REASONS.values())  # RFC 6455
