"""What may come from a client of the stream: good frames, mutated ones, noise, broken wire."""

import json
import struct
from typing import Any

from hypothesis import strategies as st

from service.contract.alerts import LEVEL_NAMES
from service.contract.cursor import encode_cursor

KEY = "k" * 32
MASK = b"\x01\x02\x03\x04"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
_IDS = st.sampled_from(["1", "2", "3"])
_CURSORS = st.builds(
    encode_cursor,
    st.text("0123456789abcdef", min_size=16, max_size=16),
    st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8),
)
_SUBSCRIPTIONS = st.fixed_dictionaries(
    {
        "op": st.just("subscribe"),
        "id": _IDS,
        "channel": st.sampled_from(["alerts", "alerts", "marks", "markets", "risk"]),
        "accounts": st.lists(st.sampled_from(["*", "a1", "a*", "nobody"]), min_size=1, max_size=3),
    },
    optional={
        "since": _CURSORS,
        "levels": st.lists(st.sampled_from(LEVEL_NAMES), min_size=1, max_size=2),
        "symbols": st.lists(
            st.sampled_from(["BTC/USDT:USDT", "BTC*", "*", "NO"]), min_size=1, max_size=2
        ),
    },
)
_OTHERS = st.sampled_from(
    [
        {"op": "ping"},
        {"op": "auth", "token": KEY},
        {"op": "auth", "token": "a guess"},
        {"op": "ack", "alert": "a1-1"},
        {"op": "unsubscribe", "id": "1"},
        {"op": "unsubscribe", "id": "2"},
    ]
)
_GOOD: st.SearchStrategy[dict[str, Any]] = _SUBSCRIPTIONS | _OTHERS


@st.composite
def _with_another_field(draw: st.DrawFn) -> str:
    """A good frame of which a field is another thing, or gone, or there twice."""
    frame = draw(_GOOD)
    name = draw(st.sampled_from([*frame, "id", "since", "accounts", "more"]))
    match draw(st.sampled_from(["other", "gone", "twice"])):
        case "other":
            return json.dumps(frame | {name: draw(_VALUES)})
        case "gone":
            return json.dumps({key: value for key, value in frame.items() if key != name})
        case _:
            pair = json.dumps({name: draw(_VALUES)})
            return f"{json.dumps(frame)[:-1]}, {pair[1:]}"


@st.composite
def _with_other_characters(draw: st.DrawFn) -> str:
    """A good frame's text with some characters replaced, put in or left out."""
    text = json.dumps(draw(_GOOD))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        put = draw(st.sampled_from(['"', "{", "[", ":", ",", "\\", "\x00", "\u2028", "é", "9", ""]))
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text


_DEEP = st.builds(
    lambda opening, depth: opening * depth,
    st.sampled_from(["[", '{"op":', '{"op":"ping","x":[']),
    st.integers(1, 2_000),
)
_TEXTS = (
    _GOOD.map(json.dumps) | _with_another_field() | _with_other_characters() | _DEEP | st.text()
)


def wire_frame(
    opcode: int, payload: bytes, *, first_bits: int = 0x80, masked: bool = True
) -> bytes:
    """Return a frame as a client puts it on the wire, or would if it knew no better."""
    length, mask_bit = len(payload), 0x80 if masked else 0
    head = bytes([first_bits | opcode])
    if length < 126:
        head += bytes([mask_bit | length])
    elif length < 2**16:
        head += struct.pack("!BH", mask_bit | 126, length)
    else:
        head += struct.pack("!BQ", mask_bit | 127, length)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


MESSAGES = _TEXTS.map(lambda text: wire_frame(TEXT, text.encode("utf-8", "surrogatepass")))
# Once in a while: binary, a text that is no UTF-8, a frame that is too large.
NOISE = (
    st.binary(max_size=50).map(lambda data: wire_frame(BINARY, data))
    | st.binary(min_size=1, max_size=20).map(lambda data: wire_frame(TEXT, data))
    | st.integers(65_000, 66_000).map(lambda size: wire_frame(TEXT, b" " * size))
)
# Frames with bits and opcodes that a client must not set. `CLOSE` is not among them: its code
# comes back, whatever it is.
BROKEN_WIRE = st.builds(
    wire_frame,
    st.integers(0, 15).filter(lambda opcode: opcode != CLOSE),
    st.binary(max_size=130),
    first_bits=st.integers(0, 15).map(lambda bits: bits << 4),
    masked=st.booleans(),
)
PINGS = st.binary(max_size=125).map(lambda data: wire_frame(PING, data))
# What may stand at the end: a frame cut off, or one that says it is longer than the rest.
ENDS = st.builds(lambda frame, kept: frame[: max(1, kept)], MESSAGES, st.integers(1, 10)) | st.just(
    b"\x81\xff" + b"\xff" * 8 + MASK
)
