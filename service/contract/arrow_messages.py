"""What an Arrow message says of itself that its reader keeps for itself: is it compressed?

A message's head is a table of FlatBuffers: a signed offset back to a list of the fields' places,
each 0 where the field is not there. Arrow has checked the head before we look.
Schema: https://github.com/apache/arrow/blob/main/format/Message.fbs
"""

import struct

from service.errors import MalformedBody

MESSAGES_MAX = 1_000
_DICTIONARY, _RECORDS = 2, 3  # of Message.header_type
_HEADER_TYPE, _HEADER = 1, 2  # fields of Message
_COMPRESSION = 3  # of RecordBatch
_DATA, _IS_DELTA = 1, 2  # of DictionaryBatch


def check_message(head: bytes) -> None:
    """Raise MalformedBody for a message of which nobody knows how large it will be."""
    try:
        _check(head)
    except struct.error:
        raise MalformedBody("the body is no Arrow IPC stream") from None


def _check(head: bytes) -> None:
    message = _linked(head, 0)
    kind, place = _field(head, message, _HEADER_TYPE), _field(head, message, _HEADER)
    if not kind or not place or head[kind] not in (_DICTIONARY, _RECORDS):
        return
    records = _linked(head, place)
    if head[kind] == _DICTIONARY:
        delta = _field(head, records, _IS_DELTA)
        if delta and head[delta]:
            raise MalformedBody("deltas of Arrow dictionaries are not read")
        records = _linked(head, _field(head, records, _DATA))
    if _field(head, records, _COMPRESSION):
        raise MalformedBody("compressed Arrow buffers are not read")


def _field(head: bytes, table: int, number: int) -> int:
    """Return where a field of a table stands, 0 where it is not there."""
    places = table - _whole("<i", head, table)
    at = 4 + 2 * number
    if at >= _whole("<H", head, places):
        return 0
    offset = _whole("<H", head, places + at)
    return table + offset if offset else 0


def _linked(head: bytes, place: int) -> int:
    return place + _whole("<I", head, place)


def _whole(form: str, head: bytes, place: int) -> int:
    if not 0 <= place < len(head):
        raise struct.error
    value: int = struct.unpack_from(form, head, place)[0]
    return value
