"""The gate's word on a symbol's marks, as the market stream carries it."""

from typing import Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from service.risk.model import Level
from service.risk.quality import ALLOWED, QUALITIES, Verdict, verdict_of

QualityName: TypeAlias = Literal["good", "degraded", "suspect", "stale"]
AllowsName: TypeAlias = Literal["evaluate", "warn", "call", "liquidate"]
QUALITY_NAMES: tuple[QualityName, ...] = get_args(QualityName)  # by `Quality`
assert tuple(QUALITIES) == QUALITY_NAMES
assert get_args(AllowsName) == tuple(ALLOWED)


class QualityEntry(Struct, frozen=True):
    """Of which quality the marks of a (venue, symbol) are from now on, and what that allows."""

    venue: str
    symbol: str
    quality: QualityName
    allows: AllowsName

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.quality, self.allows)


_BY_LEVEL: dict[Level, AllowsName] = {ALLOWED[name]: name for name in get_args(AllowsName)}


def allowed_name(most: Level) -> AllowsName:
    """Return the word for the highest level that marks raise a pool to."""
    return _BY_LEVEL[most]


_decoder = msgspec.json.Decoder(QualityEntry)


def read_quality(payload: bytes) -> QualityEntry:
    """Raises msgspec.DecodeError (a ValidationError) for what is none."""
    return _decoder.decode(payload)
