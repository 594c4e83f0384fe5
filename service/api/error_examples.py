"""An example of every error a call can be answered with, as it is answered."""

from collections.abc import Mapping

from service.errors import (
    BodyTimeout,
    BodyTooLarge,
    CallInProgress,
    Fault,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidIdempotencyKey,
    InvalidInput,
    MalformedBody,
    MissingScope,
    MonitorUnavailable,
    NoLongerKept,
    Overloaded,
    RateLimited,
    ServiceError,
    StoreUnavailable,
    TargetsOff,
    TooManyConnections,
    TooManyItems,
    Unauthenticated,
    UnknownAccount,
    UnknownAlert,
    UnknownFund,
    UnknownSilence,
    UnknownTarget,
    UnknownWebhook,
    UnsupportedMediaType,
    VersionMismatch,
)

_BODY = Fault("/positions/0/contracts", "not_a_number", "expected a number")
_PARAMETER = Fault("?since", "invalid_length", "this parameter is too long")

# By class; `InvalidInput` is about what a call has: a body, or else parameters.
_EXAMPLES: Mapping[type[ServiceError], ServiceError] = {
    type(error): error
    for error in (
        BodyTimeout("the body did not arrive in time"),
        BodyTooLarge("the body is larger than 16777216 bytes"),
        CallInProgress("a call with this Idempotency-Key is being carried out"),
        IdempotencyKeyReused("this Idempotency-Key was another call's"),
        InvalidCursor("the cursor is not one that this service gave out"),
        InvalidIdempotencyKey("one Idempotency-Key of 1 to 255 characters, in quotes"),
        MalformedBody("the body is not valid JSON"),
        MissingScope("this key lacks the scope accounts:write"),
        MonitorUnavailable("no answer for 64 shards"),
        NoLongerKept("entry 48211 of the market stream is not kept any more"),
        Overloaded("500 evaluations wait already"),
        RateLimited("this key may ask again in 3 s", 3),
        StoreUnavailable("Redis did not answer in time"),
        TargetsOff("this service notifies no targets"),
        TooManyConnections("this key has 1000 streams open already"),
        TooManyItems("more than 10000 accounts in one call"),
        Unauthenticated(Unauthenticated.DETAIL),
        UnknownAccount("there is no such account"),
        UnknownAlert("there is no such alert in the log"),
        UnknownFund("there is no such fund"),
        UnknownSilence("there is no such silence, or it is over"),
        UnknownTarget("there is no target of this id"),
        UnknownWebhook("there is no webhook of this id"),
        UnsupportedMediaType("the content type must be application/json"),
        VersionMismatch("the account has another version by now"),
    )
}


def example_of(error: type[ServiceError], *, has_body: bool) -> ServiceError:
    """Return an error as a call with or without a body may meet it."""
    if error is InvalidInput:
        return InvalidInput.of(_BODY if has_body else _PARAMETER)
    return _EXAMPLES[error]
