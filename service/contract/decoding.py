"""From bytes to records, or to an error that says where, in words of our own.

A whole body is read in one pass. Only when that fails is it read again piece by piece
(`msgspec.Raw`), to name the bad pieces. No answer repeats any of the input.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import msgspec

from service.errors import Fault, InvalidInput, MalformedBody, TooManyItems

Record = TypeVar("Record")

_PATH = re.compile(r"`\$([^`]*)`$")
_STEP = re.compile(r"\.([A-Za-z]+)|\[(\d+)\]|\[(\.\.\.)\]")

# The first row that a message matches gives the code; the library's own words echo the input.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (r"^Invalid enum value .* at `\$[^`]*\.venue`$", "unknown_venue", "this venue is not known"),
    (r"^Invalid enum value", "invalid_value", "not one of the values allowed here"),
    (r"^Object missing required field `(\w+)`", "missing_field", "this field is required"),
    (r"out of range", "out_of_range", "the number is too large"),
    (r"^Expected `(?:float|int)[^`]*`, got", "not_a_number", "expected a finite number"),
    (r"^Expected `([a-z |]+)`, got", "wrong_type", "expected another type: {0}"),
    (r"matching regex", "invalid_name", "this name has characters or a length not allowed"),
    (r"^Expected `\w+` ([<>]=?) (\S+)", "out_of_range", "the number must be {0} {1}"),
    (r"^Expected `\w+` of length ([<>]=? \d+)", "invalid_length", "the length must be {0}"),
)


def decode(raw: bytes, decoder: "msgspec.json.Decoder[Record]", pointer: str = "") -> Record:
    """Read `raw`; `pointer` is where `raw` stands in the body it came from.

    Raises MalformedBody for what is no JSON or nested too deeply, InvalidInput with one fault for
    JSON of a wrong shape.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidInput.of(explain(str(error), pointer)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBody("the body is not valid JSON") from None
    except RecursionError:
        raise MalformedBody("the body is nested too deeply") from None


class Item(msgspec.Struct, gc=False):
    """Any object of a list, unread: what counting needs of it."""


_count_decoder = msgspec.json.Decoder(list[Item])
_pieces_decoder = msgspec.json.Decoder(list[msgspec.Raw])


@contextlib.contextmanager
def unreadable_left_out(log: logging.Logger) -> Iterator[None]:
    """Go on behind the block when what it reads is not as we would have written it.

    Another version, or a person, wrote to the store what the API would have refused: that must
    not keep anybody from all the rest.
    """
    try:
        yield
    except (InvalidInput, MalformedBody, msgspec.DecodeError) as error:
        log.error("markets: left out what cannot be read: %s", error)


def check_count(count: int, items_max: int, noun: str) -> None:
    """Raise TooManyItems for a list that is longer than the service takes."""
    if count > items_max:
        raise TooManyItems(f"more than {items_max} {noun} in one call")


def split_list(raw: bytes, items_max: int, noun: str) -> list[bytes]:
    """Return the objects of a JSON list as they are; they are counted first, which is cheap."""
    check_count(len(decode(raw, _count_decoder)), items_max, noun)
    return [bytes(piece) for piece in decode(raw, _pieces_decoder)]


def explain(message: str, pointer: str) -> Fault:
    """Turn the decoder's message into a fault of ours, without anything the client sent."""
    # Thousands of bad items mostly say the same. A long message has the client's own text in it.
    explained = _explained if len(message) < 200 else _explained.__wrapped__
    below, code, detail = explained(message)
    return Fault(pointer + below, code, detail)


@lru_cache(maxsize=1_024)
def _explained(message: str) -> tuple[str, str, str]:
    path = _PATH.search(message)
    where = "".join(_steps(path.group(1))) if path else ""
    for pattern, code, words in _MEANINGS:
        match = re.search(pattern, message)
        if match is None:
            continue
        if code == "missing_field":
            where = f"{where}/{match.group(1)}"
        return where, code, words.format(*match.groups())
    return where, "invalid_value", "this value is not allowed here"


def _steps(path: str) -> list[str]:
    # Keys of a mapping are the client's words; the decoder shows "...", so the pointer ends there.
    steps = []
    for name, index, _key in _STEP.findall(path):
        if not name and not index:
            break
        steps.append(f"/{name or index}")
    return steps


def pointer_to(*steps: str | int) -> str:
    """Join steps to a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
