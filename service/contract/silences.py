"""Silences: what a tenant does not want to be told of for a while, and when one holds.

An alert under a silence is in the log as ever; the doors pass it over. Whether it is under one
depends on nothing but the alert and the silences there were at its time: so a client that resumes
long after, and a delivery that is tried again, are told the same as who listened then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from service.contract.alerts import EpochMs, LevelName
from service.contract.frames import AccountPattern
from service.contract.selection import Selection, select
from service.errors import Fault, InvalidInput

SILENCE_ID_PATTERN = r"^[0-9a-f]{16}$(?!\n)"
ACCOUNTS_MAX = 1_000
LONGEST_MS = 366 * 86_400_000
# A silence begins and ends so long after it was asked for: by then every door knows of it.
KNOWN_AFTER_MS = 2_000


class SilenceDocument(Struct, rename="camel", frozen=True):
    """Pass over alerts of these accounts, at these levels (null: any), until then."""

    until: EpochMs
    accounts: Annotated[list[AccountPattern], Meta(min_length=1, max_length=ACCOUNTS_MAX)] = field(
        default_factory=lambda: ["*"]
    )
    levels: Annotated[list[LevelName], Meta(min_length=1)] | None = None
    comment: Annotated[str, Meta(max_length=1_000)] = ""


class SilenceView(Struct, rename="camel", frozen=True):
    """A silence: alerts with a `timestamp` from `startsAt` on and before `until` are under it."""

    id: str
    accounts: list[str]
    levels: list[LevelName] | None
    starts_at: EpochMs
    until: EpochMs
    comment: str


class SilencesView(Struct, frozen=True):
    """The silences of a tenant that are not over, the first to end first."""

    silences: list[SilenceView]


def begun(silence_id: str, wanted: SilenceDocument, now_ms: int) -> SilenceView:
    """Return a silence as it is stored; raises InvalidInput where its end cannot be."""
    starts_at = now_ms + KNOWN_AFTER_MS
    if not starts_at < wanted.until <= now_ms + LONGEST_MS:
        detail = "it must end after it begins, in two seconds, and within 366 days"
        raise InvalidInput.of(Fault("/until", "out_of_range", detail))
    levels = wanted.levels
    return SilenceView(
        silence_id, list(wanted.accounts), levels, starts_at, wanted.until, wanted.comment
    )


def ended(silence: SilenceView, now_ms: int) -> SilenceView:
    """Return a silence that is taken back now."""
    return msgspec.structs.replace(silence, until=min(silence.until, now_ms + KNOWN_AFTER_MS))


_decoder = msgspec.json.Decoder(SilenceView)


def read_silence(stored: bytes) -> SilenceView:
    return _decoder.decode(stored)


class _Stamped(Struct, gc=False):
    timestamp: int


_stamps = msgspec.json.Decoder(_Stamped)


@dataclass(frozen=True, slots=True)
class _Hold:
    selection: Selection
    starts_at_ms: int
    until_ms: int

    def covers(self, key: str, level: LevelName, alert: bytes) -> bool:
        if not (self.selection.wants_account(key) and self.selection.wants_level(level)):
            return False
        return self.starts_at_ms <= _stamps.decode(alert).timestamp < self.until_ms


class Silences:
    """All silences there are, of all tenants."""

    def __init__(self, stored: Mapping[tuple[str, str], bytes]) -> None:
        """`stored` is JSON by tenant and id."""
        self._of: dict[str, list[_Hold]] = {}
        for (tenant, _), doc in stored.items():
            one = read_silence(doc)
            selection = select(tenant, one.accounts, one.levels)
            self._of.setdefault(tenant, []).append(_Hold(selection, one.starts_at, one.until))

    def any_of(self, tenant: str) -> bool:
        """Whether a tenant has any."""
        return tenant in self._of

    def covers(self, tenant: str, key: str, level: LevelName, alert: bytes) -> bool:
        """Whether an alert (JSON) of a tenant's account is under one."""
        return any(hold.covers(key, level, alert) for hold in self._of.get(tenant, ()))


NONE = Silences({})


def in_order(silences: Iterable[SilenceView], now_ms: int) -> Sequence[SilenceView]:
    """Return those that are not over, the first to end first."""
    left = [silence for silence in silences if silence.until > now_ms]
    return sorted(left, key=lambda silence: (silence.until, silence.id))
