"""Frames that nobody thought of: each is understood or refused, and nothing else happens."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.frame_reading import FrameRefused, decode_client_frame
from service.contract.frames import ClientFrame, encode_frame
from service.push.sockets import BAD_FRAMES_MAX
from tests.push.stream import Client, Worker, check_frame

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["op", "id", "channel", "accounts", "levels", "since", "symbols", "token", "alert"]
)
WORDS = st.sampled_from(["subscribe", "unsubscribe", "ping", "auth", "ack", "alerts", "marks", "*"])
FRAMES = st.dictionaries(FIELDS, WORDS | st.lists(WORDS, max_size=2) | VALUES)


@given(FRAMES.map(json.dumps) | st.text())
def test_a_frame_is_understood_or_refused_by_a_valid_frame(text: str) -> None:
    try:
        assert isinstance(decode_client_frame(text), ClientFrame)
    except FrameRefused as refused:
        check_frame(encode_frame(refused.frame))


@pytest.mark.anyio
async def test_mutated_frames_do_not_hurt_the_service(worker: Worker) -> None:
    chance = random.Random(7)
    good = [
        '{"op":"subscribe","id":"1","channel":"alerts","accounts":["*"]}',
        '{"op":"subscribe","id":"2","channel":"marks","symbols":["A"]}',
        '{"op":"unsubscribe","id":"1"}',
        '{"op":"unsubscribe","id":"2"}',
        '{"op":"ping"}',
    ]
    for _ in range(5):
        async with Client.open(worker.url) as client:
            for _ in range(BAD_FRAMES_MAX // 2):
                text = chance.choice(good)
                at = chance.randrange(len(text))
                mutated = text[:at] + chance.choice('"{}[]:,0x\\\x00\u2028é') + text[at + 1 :]
                await client.connection.send(chance.choice([text, mutated]))
            await client.send(op="subscribe", id="last", channel="none")
            while (await client.read()).get("id") != "last":
                pass
    async with Client.open(worker.url) as client:
        await client.send(op="ping")
        await client.read("pong")


@pytest.mark.anyio
async def test_a_text_that_is_no_utf8_ends_its_connection(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client.open(worker.url) as client:
        await client.connection.send(b"\xff\xfe", text=True)
        assert await client.closed() == 1007
    assert "Traceback" not in caplog.text
