"""Webhooks: what a client says and sees of them, and what is stored of how far each has got.

The payload is in the form of Standard Webhooks: `type`, `timestamp`, `data`, signed by headers.
"""

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from service.contract.alerts import Alert, EpochMs, LevelName
from service.contract.frames import AccountPattern, CursorText
from service.errors import Fault, InvalidInput

RECEIVER_ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$(?!\n)"
ACCOUNTS_MAX = 1_000
_NOTHING_ELSE = re.compile(r"[!-~]+")  # printable ASCII without blanks


class WebhookDocument(Struct, rename="camel", frozen=True):
    """Whom to call, and which alerts to tell: of these accounts, at these levels (null: any), those
    under a silence too if `silenced`."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2_048,
            examples=["https://example.com/in"],
            extra_json_schema={"pattern": r"^https?://[!-~]+$(?!\n)"},  # `check_url` says more
        ),
    ]
    accounts: Annotated[list[AccountPattern], Meta(min_length=1, max_length=ACCOUNTS_MAX)] = field(
        default_factory=lambda: ["*"]
    )
    levels: Annotated[list[LevelName], Meta(min_length=1)] | None = None
    silenced: bool = False


class Pending(Struct, rename="camel", frozen=True, omit_defaults=True):
    """A delivery under way: the alerts after the cursor up to `after`."""

    after: CursorText
    begun_at: EpochMs
    recovered: bool = True
    attempts: int = 0
    next_at: EpochMs = 0
    error: str = ""


class Progress(Struct, rename="camel", frozen=True, omit_defaults=True):
    """How far a webhook has got; `incarnation` tells apart two of one name, one after the other."""

    incarnation: str
    created_at: EpochMs
    cursor: CursorText
    pending: Pending | None = None
    delivered_at: EpochMs | None = None


class WebhookView(Struct, rename="camel", frozen=True):
    """A webhook and how it fares; `secret` is there only in the answer that made it."""

    id: str
    url: str
    accounts: list[str]
    levels: list[LevelName] | None
    silenced: bool
    created_at: EpochMs
    cursor: CursorText
    delivered_at: EpochMs | None
    attempts: Annotated[int, Meta(description="of the delivery under way that failed so far")]
    next_attempt_at: EpochMs | None
    last_error: str | None
    dead_letters: int
    secret: str | None = None


class WebhooksView(Struct, frozen=True):
    """All webhooks of a tenant."""

    webhooks: list[WebhookView]


class WebhookSecret(Struct, rename="camel", frozen=True):
    """A new secret; deliveries are signed with the one before as well until then."""

    secret: str
    previous_good_until: EpochMs


class Replayed(Struct, frozen=True):
    """How many dead letters are being sent again."""

    replayed: int


class DeliveryData(Struct, rename="camel", frozen=True):
    """Alerts that follow one another. `recovered` is false when what came before them is no longer
    in the log: ask for the state."""

    webhook: str
    recovered: bool
    alerts: list[Alert]
    cursor: CursorText


class DeliveryPayload(Struct, frozen=True):
    """The body of a call to a webhook."""

    type: Literal["alerts"]
    timestamp: Annotated[str, Meta(description="ISO 8601; when the delivery was put together")]
    data: DeliveryData


class DeadLetter(Struct, rename="camel", frozen=True):
    """A delivery that was given up: its `webhook-id`, why, and its payload as it was sent."""

    id: str
    failed_at: EpochMs
    attempts: int
    error: str
    payload: msgspec.Raw


class DeadLetterView(Struct, rename="camel", frozen=True):
    """A delivery that was given up, with the payload as it was sent."""

    id: str
    failed_at: EpochMs
    attempts: int
    error: str
    payload: DeliveryPayload


class DeadLettersView(Struct, rename="camel", frozen=True):
    """What was given up, oldest first."""

    dead_letters: list[DeadLetterView]


Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where IPv6 addresses have an IPv4 address inside, which need not be public.
_WRAPPED = tuple(
    map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/32", "2001::/32", "2002::/16"))
)


def is_public(address: Address) -> bool:
    """Return whether anybody may be called there: no network of somebody's own, no wrapping."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in net for net in _WRAPPED):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def check_receiver_id(name: str) -> str:
    """Return an id that stands in a path; raises InvalidInput when it cannot be one."""
    if re.search(RECEIVER_ID_PATTERN, name) is None:
        detail = "an id is 1 to 64 of A-Z a-z 0-9 . _ -"
        raise InvalidInput.of(Fault("", "invalid_name", detail))
    return name


def check_url(url: str, *, allow_http: bool, allow_private: bool) -> str:
    """Return a URL that may be called; raises InvalidInput. Names are looked up when it is."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _refused("invalid_url", "this is no URL") from None
    schemes = ("https://", "http://") if allow_http else ("https://",)
    if not url.startswith(schemes):
        raise _refused("invalid_url", "the URL must begin with https://")
    if not host or port == 0 or _NOTHING_ELSE.fullmatch(url) is None:
        raise _refused("invalid_url", "the URL must name a host, in ASCII without blanks")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("invalid_url", "a user, a password or a fragment has no place in the URL")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return url
    if not allow_private and not is_public(address):
        raise _refused("address_not_public", "the address is not public")
    return url


def _refused(code: str, detail: str) -> InvalidInput:
    return InvalidInput.of(Fault("/url", code, detail))


_encoder = msgspec.json.Encoder()
_document_decoder = msgspec.json.Decoder(WebhookDocument)
_progress_decoder = msgspec.json.Decoder(Progress)
_letter_decoder = msgspec.json.Decoder(DeadLetter)


def read_webhook(stored: bytes) -> WebhookDocument:
    return _document_decoder.decode(stored)


def read_progress(stored: bytes) -> Progress:
    return _progress_decoder.decode(stored)


def read_letter(stored: bytes) -> DeadLetter:
    return _letter_decoder.decode(stored)


def beginning_of(letter_id: str) -> bytes:
    """Return how a dead letter of this id begins as it is stored."""
    return _encoder.encode({"id": letter_id})[:-1] + b","


def write(record: Struct) -> bytes:
    """Return a record as it is stored."""
    return _encoder.encode(record)
