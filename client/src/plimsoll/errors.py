"""Everything a call or a subscription can raise; programs switch on the class and on `code`."""

from plimsoll.answers import Fault, ItemResult, ProblemDocument


class PlimsollError(Exception):
    """What all of them are."""


class Unreachable(PlimsollError):
    """No answer came. A write may have been carried out all the same: ask before repeating it."""


class UnexpectedAnswer(PlimsollError):
    """What came is not this service's contract: another service, or a proxy in between."""


class Problem(PlimsollError):
    """The service said no (RFC 9457).

    `errors` has the first faults with JSON pointers into what was sent, `results` every item of a
    list of which nothing was taken.
    """

    def __init__(self, document: ProblemDocument, retry_after_s: float | None = None) -> None:
        faults = "".join(f"; {fault.pointer} {fault.detail}" for fault in document.errors)
        super().__init__(f"{document.status} {document.code}: {document.detail}{faults}")
        self.status = document.status
        self.code = document.code
        self.title = document.title
        self.detail = document.detail
        self.errors: list[Fault] = document.errors
        self.results: list[ItemResult] = document.results
        self.retry_after_s = retry_after_s


class InvalidRequest(Problem):
    """400, 415, 422: it will be refused again unless it is changed."""


class Unauthorized(Problem):
    """401: no key, or one that is not known (any more)."""


class Forbidden(Problem):
    """403: the key may not do this."""


class NotFound(Problem):
    """404: there is no such account (of yours)."""


class InProgress(Problem):
    """409: the same call, by its `idempotency_key`, is still being carried out. Come back."""


class VersionMismatch(Problem):
    """412: the account is not at `if_version` any more."""


class TooLarge(Problem):
    """413: send less at once."""


class TooManyRequests(Problem):
    """429: come back after `retry_after_s`."""


class Unavailable(Problem):
    """503: a part of the service is away; a write may have been carried out. Come back."""


PROBLEM_OF_STATUS: dict[int, type[Problem]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: InProgress,
    410: NotFound,
    412: VersionMismatch,
    413: TooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: TooManyRequests,
    503: Unavailable,
}


class SubscriptionRefused(PlimsollError):
    """The service does not take this subscription; `code` says why, it will not help to retry."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class StreamClosed(PlimsollError):
    """The service closed the stream with 4500 to 4999: do not come back."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class CursorFileDamaged(PlimsollError):
    """The file is there and has no cursor. To begin now, whatever was missed, remove it."""
