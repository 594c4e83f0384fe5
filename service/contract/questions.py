"""What an API worker asks the monitors about the whole book, and what each answers for its shards.

"worst": accounts at or beyond a level, worst first. The order is total, so that a page can go on
where the last one ended: level falling, margin ratio of the worst pool falling (no equity left is
the highest), account key rising.

It may be narrowed to ids with some letters in them, and say how many accounts are at each level.

"names": which accounts of a tenant have a pool.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar, get_args

import msgspec
from msgspec import Struct

from service.contract.alerts import LevelName
from service.contract.numbers import NotNegative
from service.errors import InvalidCursor

Place = TypeVar("Place")
WORST = "worst"
NAMES = "names"
LEVELS: tuple[LevelName, ...] = get_args(LevelName)  # by number
_CURSOR_CHARS_MAX = 1_024


class RankedPlace(Struct, array_like=True, frozen=True):
    """One account in the order of "worst"; `margin_ratio` is None where no equity is left."""

    level: int
    margin_ratio: NotNegative | None
    account_key: str

    def order(self) -> tuple[int, float, str]:
        """Return what to sort by."""
        ratio = float("inf") if self.margin_ratio is None else self.margin_ratio
        return -self.level, -ratio, self.account_key


class WorstQuestion(Struct, frozen=True):
    """The first `limit` accounts of a tenant at or beyond `level` that come after `after`.

    `match`: only those with these letters in their id, whether large or small. `counts`: how many
    of all such accounts, below the level too, are at each.
    """

    tenant: str
    level: int
    limit: int
    after: RankedPlace | None = None
    match: str | None = None
    counts: bool = False


class ShardCount(Struct, array_like=True, frozen=True):
    """How many accounts of a shard are at each level."""

    shard: int
    counts: list[int]


class WorstAnswer(Struct, frozen=True):
    """The places in order; counts where they were asked for."""

    places: list[RankedPlace]
    counts: list[ShardCount] = []


class NamesQuestion(Struct, frozen=True):
    """The keys of a tenant's accounts; of more than `limit` one more is enough."""

    tenant: str
    limit: int


_names_question_decoder = msgspec.json.Decoder(NamesQuestion)
_names_decoder = msgspec.json.Decoder(list[str])
_question_decoder = msgspec.json.Decoder(WorstQuestion)
_answer_decoder = msgspec.json.Decoder(WorstAnswer)
_place_decoder = msgspec.json.Decoder(RankedPlace)
_encoder = msgspec.json.Encoder()


def encode_question(question: WorstQuestion) -> bytes:
    return _encoder.encode(question)


def decode_question(raw: bytes) -> WorstQuestion:
    return _question_decoder.decode(raw)


def encode_names_question(question: NamesQuestion) -> bytes:
    return _encoder.encode(question)


def decode_names_question(raw: bytes) -> NamesQuestion:
    return _names_question_decoder.decode(raw)


def encode_names(names: list[str]) -> bytes:
    return _encoder.encode(names)


def decode_names(raw: bytes) -> list[str]:
    return _names_decoder.decode(raw)


def encode_answer(answer: WorstAnswer) -> bytes:
    return _encoder.encode(answer)


def decode_answer(raw: bytes) -> WorstAnswer:
    return _answer_decoder.decode(raw)


def encode_place(place: RankedPlace) -> str:
    """Return the opaque cursor of a page that ended with `place`."""
    return encode_cursor(place)


def decode_place(text: str) -> RankedPlace:
    """Return what `encode_place` was given; raises InvalidCursor for anything else."""
    return decode_cursor(text, _place_decoder)


def encode_cursor(place: Struct) -> str:
    """Return any order's place as an opaque text."""
    return urlsafe_b64encode(_encoder.encode(place)).rstrip(b"=").decode()


def decode_cursor(text: str, decoder: "msgspec.json.Decoder[Place]") -> Place:
    """Return what `encode_cursor` was given; raises InvalidCursor for anything else."""
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        raise InvalidCursor("the cursor is not one that this service gave out")
    try:
        return decoder.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidCursor("the cursor is not one that this service gave out") from None
