"""Targets: chats, mailboxes and pagers that are told of alerts in words, by way of `apprise`.

Where one is, with its passwords and tokens, is a URL of apprise's. It is a secret: kept, and never
shown again. Apprise has services that run programs or write files where it runs, and parameters
that read files; so both are lists of what is allowed, and nothing else is.
"""

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from service.contract.alerts import Count, EpochMs, LevelName
from service.contract.frames import AccountPattern, CursorText
from service.contract.webhooks import ACCOUNTS_MAX, is_public
from service.errors import Fault, InvalidInput

WINDOW_S, WINDOW_MAX_S = 10.0, 3_600.0


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Services that are reached at an address of their own, by HTTPS.
_ELSEWHERE = _set_of(
    """
    46elks bulksms bulkvs burstsms chanify clickatell clicksend cliq cm d7sms dingtalk discord
    exotel feishu firehydrant flock freemobile gchat groupme guilded httpsms ifttt ilert incidentio
    jira join kaleyra kook lark line mailersend mobilemessage msg91 msgbird nexmo notifiarr
    octopush onesignal opsgenie pagerduty pagertree pbul plivo postmark pover prowl pushed
    pushplus pushy qq resend revolt ringc ryver schan sendgrid serwersms ses seven signl4 simplepush
    sinch slack smsmanager sns spike splunk spugpush squadcast stackfield telesign telnyx tgram
    threema twilio twist viber victorops voipms vonage webex wecombot whapi whatsapp wpush wxpusher
    wxteams zoom zulip
    """
)
# Services that run wherever the URL says, over TLS.
_ANYWHERE = _set_of(
    """
    barks betterstack forms goalerts gorushs gotifys hassios infobip jsons mailgun mailtos mmosts
    nctalks ntfys pushdeers rockets sendpulse signals smseagles smtp2go sparkpost synologys toots
    trigvs workflows xmatters xmls
    """
)
# The same without: anybody on the way can read what is sent, and the password.
_PLAIN = _set_of("bark form gotify json mailto mmost nctalk ntfy pushdeer rocket toot xml")
_ALLOWED = _ELSEWHERE | _ANYWHERE | _PLAIN
PARAMETERS = _set_of(
    """
    apikey bcc cc channel channels from group id key name preview priority region reply route
    secret severity sid silent smtp sound source tags thread to token topic
    """
)
_URL = re.compile(r"([a-z0-9]+)://[!\"$-~]+")  # ASCII without blanks or a fragment


class _Wishes(Struct, rename="camel", frozen=True, kw_only=True):
    """Which alerts to tell: of these accounts, at these levels (null: any), those under a silence
    too if `silenced`; a burst of `windowS` seconds is told in one message."""

    accounts: Annotated[list[AccountPattern], Meta(min_length=1, max_length=ACCOUNTS_MAX)] = field(
        default_factory=lambda: ["*"]
    )
    levels: Annotated[list[LevelName], Meta(min_length=1)] | None = None
    silenced: bool = False
    window_s: Annotated[float, Meta(ge=0.0, le=WINDOW_MAX_S)] = WINDOW_S


class TargetDocument(_Wishes, frozen=True, kw_only=True):
    """Whom to tell, as a URL of apprise's, and which alerts."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2_048,
            examples=["tgram://123456789:abcdefg_hijklmnop/12315544/"],
            extra_json_schema={"pattern": r"^[a-z0-9]+://[!-~]+$(?!\n)"},  # `service_of` says more
        ),
    ]

    def stored(self, service: str) -> "StoredTarget":
        """Return what is stored of it beside the URL."""
        return StoredTarget(
            service=service,
            accounts=self.accounts,
            levels=self.levels,
            silenced=self.silenced,
            window_s=self.window_s,
        )


class StoredTarget(_Wishes, frozen=True, kw_only=True):
    """A target without its URL, of which `service` is the part that is no secret."""

    service: str


class TargetView(Struct, rename="camel", frozen=True):
    """A target and how it fares."""

    id: str
    service: Annotated[str, Meta(description="what its URL begins with; the rest is a secret")]
    accounts: list[str]
    levels: list[LevelName] | None
    silenced: bool
    window_s: float
    created_at: EpochMs
    cursor: CursorText
    delivered_at: EpochMs | None
    attempts: Annotated[int, Meta(description="of the message under way that failed so far")]
    next_attempt_at: EpochMs | None
    last_error: str | None
    dead_letters: int


class TargetsView(Struct, frozen=True):
    """All targets of a tenant."""

    targets: list[TargetView]


Kind: TypeAlias = Literal["success", "warning", "failure", "info"]


class Notification(Struct, frozen=True):
    """A message in words: the counts by level, and the worst by name."""

    kind: Kind
    title: str
    body: str
    alerts: Count


class TestSent(Struct, frozen=True):
    """The id of a message that is being sent; in vain, it ends among the dead letters."""

    id: str


class TargetLetterView(Struct, rename="camel", frozen=True):
    """A message that was given up."""

    id: str
    failed_at: EpochMs
    attempts: int
    error: str
    payload: Notification


class TargetLettersView(Struct, rename="camel", frozen=True):
    """What was given up, oldest first."""

    dead_letters: list[TargetLetterView]


def service_of(url: str, *, allow_http: bool, allow_private: bool) -> str:
    """Return the service of a URL that may be used; raises InvalidInput, which quotes none of it.

    Host names are looked at when they are called.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise _refused("invalid_url", "the URL must be service://..., in ASCII, `#` as %23")
    service = found[1]
    if service not in _ALLOWED:
        raise _refused("service_not_allowed", "this service is none of those that are allowed")
    if service in _PLAIN and not allow_http:
        raise _refused("service_not_allowed", "this service sends in plain: take the one with TLS")
    _check_parameters(url.partition("?")[2])
    if service not in _ELSEWHERE:
        _check_host(url, allow_private=allow_private)
    return service


def _check_parameters(query: str) -> None:
    named = [each.partition("=")[0] for each in re.split("[&;?]", query) if each]
    if not PARAMETERS.issuperset(named):
        allowed = ", ".join(sorted(PARAMETERS))
        raise _refused("parameter_not_allowed", f"parameters that are allowed: {allowed}")


def _check_host(url: str, *, allow_private: bool) -> None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        raise _refused("invalid_url", "this is no URL") from None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not allow_private and not is_public(address):
        raise _refused("address_not_public", "the address is not public")


def _refused(code: str, detail: str) -> InvalidInput:
    return InvalidInput.of(Fault("/url", code, detail))


_target_decoder = msgspec.json.Decoder(StoredTarget)
_notification_decoder = msgspec.json.Decoder(Notification)


def read_target(stored: bytes) -> StoredTarget:
    return _target_decoder.decode(stored)


def read_notification(stored: bytes) -> Notification:
    return _notification_decoder.decode(stored)
