"""Whatever a client sends over the WebSocket: every answer is as documented, every end has a code.

The service is a real one with keys in force, an account in trouble and a market that moves.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.push import asyncapi
from service.push.close_codes import REASONS
from tests.api.workers import account, long, one_tier
from tests.fuzz.hostile_frames import (
    BROKEN_WIRE,
    CLOSE,
    ENDS,
    KEY,
    MESSAGES,
    NOISE,
    PINGS,
    TEXT,
    wire_frame,
)
from tests.fuzz.raw_client import RawClient
from tests.simulation.processes import Processes

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
FRAMES_MIN = 10  # of an example
EXAMPLES = 1_000 if SOAK else 15  # of each of both tests: 10,000 frames at least in the long form
# The protocol's own: broken frames, a text that is no UTF-8, a frame that is too large.
PROTOCOL_CODES = {1002, 1007, 1009}
LAST = wire_frame(TEXT, b'{"op":"subscribe","id":"the last","channel":"none"}')
UNDISTURBED = settings(
    max_examples=EXAMPLES,
    derandomize=not SOAK,
    suppress_health_check=list(HealthCheck),
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0 if SOAK else 120)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """A service whose log has no error when all is over, and which is as able as before."""
    directory: Path = tmp_path_factory.mktemp("service")
    with Processes(directory, shards="4", bootstrap_key=KEY, heartbeat_s="0.2") as processes:
        fill(processes.url)
        yield processes
        assert processes.ready()
        with RawClient(processes.url, KEY) as client:
            client.write(wire_frame(TEXT, b'{"op":"ping"}'))
            assert client.read_until(lambda frame: frame == {"type": "pong"})
        logs = processes.said("api") + processes.said("monitor")
        assert "Traceback" not in logs
        assert "ERROR" not in logs


def fill(url: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        holder = account(long(), usdt=1_000) | {"id": "a1"}
        mark = {"symbol": "BTC/USDT:USDT", "markPrice": 59_500}
        http.put("/v1/instruments", json=[one_tier()]).raise_for_status()
        http.post("/v1/accounts:batch", json=[holder]).raise_for_status()
        http.post("/v1/marks", json={"marks": [mark]}).raise_for_status()


def is_answer(frame: dict[str, Any]) -> bool:
    """Whether this is said of the last frame, so that all before it have been dealt with."""
    return (frame.get("id"), frame.get("code")) == ("the last", "unknown_channel")


@UNDISTURBED
@given(
    st.lists(MESSAGES, min_size=FRAMES_MIN, max_size=2 * FRAMES_MIN),
    st.none() | NOISE,
    st.booleans(),
)
def test_messages_are_answered_as_documented(
    service: Processes, messages: list[bytes], noise: bytes | None, in_header: bool
) -> None:
    with RawClient(service.url, KEY if in_header else None) as client:
        client.write(b"".join(messages))
        if noise is not None:
            client.write(noise)
        client.write(LAST)
        if not client.read_until(is_answer):
            assert client.close_code() in {*REASONS, *PROTOCOL_CODES}


@UNDISTURBED
@given(
    st.lists(MESSAGES | PINGS | BROKEN_WIRE, min_size=FRAMES_MIN, max_size=2 * FRAMES_MIN),
    ENDS,
    st.sampled_from([None, 1000, 1001, 3000, 4999]),
)
def test_broken_frames_end_the_connection_with_a_code(
    service: Processes, frames: list[bytes], end: bytes, farewell: int | None
) -> None:
    with RawClient(service.url, KEY) as client:
        client.write(b"".join(frames))
        if farewell is None:
            client.write(end)
        else:
            client.write(wire_frame(CLOSE, farewell.to_bytes(2, "big")))
        client.end()
        # None: we hung up in the middle of a frame, so there is nobody to tell.
        assert client.close_code() in {*REASONS, *PROTOCOL_CODES, farewell}


def test_the_protocols_own_codes_are_documented() -> None:
    told = asyncapi.document()["info"]["description"]
    assert all(str(code) in told for code in PROTOCOL_CODES)
