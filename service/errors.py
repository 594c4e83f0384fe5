"""What can go wrong by somebody else's doing: one tree, a stable code each.

`api/problems.py` alone knows the HTTP status.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input.

    `pointer` is a JSON pointer (RFC 6901) into the body, `code` is for programs, `detail` for
    people.
    """

    pointer: str
    code: str
    detail: str


class ServiceError(Exception):
    """Base of every error a client is answered with; `code` never changes its meaning."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults


class InvalidInput(ServiceError):
    """A body or parameter that breaks a rule of the contract; `faults` says where and which."""

    code = "invalid_input"

    @classmethod
    def of(cls, *faults: Fault) -> "InvalidInput":
        """Return the error for these faults; in words, the first stands for all."""
        return cls(faults[0].detail, faults)


class MalformedBody(ServiceError):
    """Bytes that are not JSON (or not the media type they claim to be)."""

    code = "malformed_body"


class UnsupportedMediaType(ServiceError):
    code = "unsupported_media_type"


class BodyTooLarge(ServiceError):
    code = "body_too_large"


class BodyTimeout(ServiceError):
    """The body did not arrive in time."""

    code = "body_timeout"


class TooManyItems(ServiceError):
    """More accounts or positions in one call than the settings allow."""

    code = "too_many_items"


class Unauthenticated(ServiceError):
    """This call needs an API key that is good: `Authorization: Bearer <token>`."""

    code = "unauthenticated"
    # One for whatever is wrong with a token: nobody learns how near a guess was.
    DETAIL: ClassVar[str] = "this call needs an API key that is good: Authorization: Bearer <token>"


class MissingScope(ServiceError):
    """The key is good, but not for this."""

    code = "missing_scope"


class TooManyConnections(ServiceError):
    """The key has as many streams open as it may have."""

    code = "too_many_connections"


class InvalidIdempotencyKey(ServiceError):
    """`Idempotency-Key` is not what it can be, or goes with a call that takes none."""

    code = "invalid_idempotency_key"


class CallInProgress(ServiceError):
    """A call with this `Idempotency-Key` is being carried out: ask again for its answer."""

    code = "call_in_progress"


class IdempotencyKeyReused(ServiceError):
    """This `Idempotency-Key` was another call's: each call needs one of its own."""

    code = "idempotency_key_reused"


class RateLimited(ServiceError):
    """The key has asked for more than it may; `Retry-After` says when there is room again."""

    code = "rate_limited"

    def __init__(self, detail: str, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class UnknownKey(ServiceError):
    code = "unknown_key"


class UnknownAccount(ServiceError):
    code = "unknown_account"


class UnknownAlert(ServiceError):
    code = "unknown_alert"


class NoLongerKept(ServiceError):
    """What an alert was derived from is not kept any more; it says what is missing."""

    code = "no_longer_kept"


class UnknownFund(ServiceError):
    code = "unknown_fund"


class UnknownSilence(ServiceError):
    code = "unknown_silence"


class UnknownTarget(ServiceError):
    code = "unknown_target"


class TargetsOff(ServiceError):
    """The operator has not turned targets on."""

    code = "targets_off"


class UnknownWebhook(ServiceError):
    code = "unknown_webhook"


class VersionMismatch(ServiceError):
    """`If-Match` names a version that is not the newest."""

    code = "version_mismatch"


class UnknownVenue(ServiceError):
    code = "unknown_venue"


class InvalidCursor(ServiceError):
    code = "invalid_cursor"


class StoreUnavailable(ServiceError):
    """Redis does not answer: nothing was written, or it is not known yet whether it was."""

    code = "store_unavailable"


class Overloaded(ServiceError):
    """This worker has more to do than it can do soon; nothing of the call was done."""

    code = "overloaded"


class MonitorUnavailable(ServiceError):
    """No monitor answered in time a question about the whole book."""

    code = "monitor_unavailable"


class WrongShards(ServiceError):
    """The data was written with another number of shards."""

    code = "wrong_shards"


class WrongFormat(ServiceError):
    """The data is written in another version than this release reads and writes."""

    code = "wrong_format"


class WrongBackup(ServiceError):
    """A backup that is not whole, or a place where there can be none."""

    code = "wrong_backup"


class OutOfStep(ServiceError):
    """What the store has does not go with its owner's state: only a start from the store helps."""

    code = "out_of_step"
