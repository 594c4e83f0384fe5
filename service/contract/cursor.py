"""How far a reader of the alert log is: the log's epoch and an offset by shard, in one opaque word
that covers every shard.

Layout before base64url (no padding): version byte, epoch length byte, epoch (UTF-8), number of
shards, offset of each shard (the numbers as
varints of 7 bits), CRC-32 of all that. A cursor is given back by clients, so any bytes may arrive:
what was not written here is `InvalidCursor`.
"""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from service.errors import InvalidCursor

VERSION = 1
CURSOR_CHARS_MAX = 16_384  # 1,024 shards with offsets of nine bytes fit
SHARDS_MAX = 1_024
_OFFSET_MAX = 2**63 - 1
_CRC_BYTES = 4


@dataclass(frozen=True, slots=True)
class Cursor:
    """`offsets[shard]` is the offset of the last alert of that shard which the reader has; 0 is
    none."""

    epoch: str
    offsets: tuple[int, ...]


def encode_cursor(epoch: str, offsets: Sequence[int]) -> str:
    """Return the cursor of a reader that has every alert up to these offsets."""
    name = epoch.encode()
    assert len(name) < 256
    body = bytearray((VERSION, len(name)))
    body += name
    body += _number(len(offsets))
    body += b"".join(map(_number, offsets))
    body += zlib.crc32(body).to_bytes(_CRC_BYTES, "big")
    return urlsafe_b64encode(body).rstrip(b"=").decode()


def decode_cursor(text: str) -> Cursor:
    """Return what `encode_cursor` was given. Raises InvalidCursor for anything it did not write."""
    body = _checked_body(text)
    try:
        end = 2 + body[1]
        epoch = body[2:end].decode()
        count, at = _read_number(body, end)
        offsets = []
        for _ in range(min(count, SHARDS_MAX)):
            offset, at = _read_number(body, at)
            offsets.append(offset)
    except (IndexError, UnicodeDecodeError):
        raise _invalid() from None
    if at != len(body) or len(offsets) != count:
        raise _invalid()
    return Cursor(epoch, tuple(offsets))


def _checked_body(text: str) -> bytes:
    """Return the bytes before the checksum, once it agrees."""
    if not text.isascii() or not 8 <= len(text) <= CURSOR_CHARS_MAX:
        raise _invalid()
    try:
        whole = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _invalid() from None
    body, crc = whole[:-_CRC_BYTES], whole[-_CRC_BYTES:]
    # The second spelling of the same bytes (stray characters are skipped by the decoder) is
    # refused too.
    if urlsafe_b64encode(whole).rstrip(b"=").decode() != text:
        raise _invalid()
    if len(body) < 3 or body[0] != VERSION or zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != crc:
        raise _invalid()
    return body


@lru_cache(4_096)  # from one cursor to the next few offsets change
def _number(number: int) -> bytes:
    assert 0 <= number <= _OFFSET_MAX
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at` and where the next one starts. Raises IndexError past the end."""
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if number > _OFFSET_MAX:
        raise _invalid()
    return number, at


def _invalid() -> InvalidCursor:
    return InvalidCursor("the cursor is not one that this service gave out")
