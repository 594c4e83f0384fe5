"""When a subscription comes back and when it ends, against a server that does as a test says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from plimsoll import (
    Alert,
    AsyncClient,
    Client,
    Event,
    Forbidden,
    InvalidRequest,
    NotFound,
    PlimsollError,
    Snapshot,
    StreamClosed,
    SubscriptionRefused,
    Unauthorized,
    Unreachable,
)
from plimsoll.patience import DELAY_FIRST_S, Patience
from tests.client.test_subscription import alerts, snapshot, subscribed

pytestmark = pytest.mark.anyio

Scene = Callable[[ServerConnection], Awaitable[None]]


class Stage:
    """Plays one scene a connection; `asked` is what each began with."""

    def __init__(self, *scenes: Scene | int) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[str | None] = []
        self._scenes = list(scenes)
        self._next: Scene | None = None

    async def play(self, connection: ServerConnection) -> None:
        assert self._next is not None
        self.asked.append(json.loads(await connection.recv()))
        await self._next(connection)

    def door(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let in to the next scene, or answer with the status that stands in its place."""
        self.headers.append(request.headers.get("Authorization"))
        scene = self._scenes.pop(0)
        if not isinstance(scene, int):
            self._next = scene
            return None
        status = HTTPStatus(scene)
        problem = {
            "type": "t",
            "title": status.phrase,
            "status": scene,
            "code": "no",
            "detail": "d",
        }
        return connection.respond(status, json.dumps(problem))


def sends(*frames: str, then: int = 1000) -> Scene:
    async def scene(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.close(then, "because")

    return scene


@contextlib.asynccontextmanager
async def staged(*scenes: Scene | int) -> AsyncIterator[Stage]:
    stage = Stage(*scenes)
    async with serve(stage.play, "127.0.0.1", 0, process_request=stage.door) as server:
        stage.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield stage


async def heard(url: str, **options: Any) -> tuple[list[Event], PlimsollError]:
    """What a client yields until it ends, and what ends it."""
    events: list[Event] = []
    async with AsyncClient(url, **options) as client, asyncio.timeout(10):
        try:
            async for event in client.alerts(reconnect_delay_max_s=0.01):
                events.append(event)
        except PlimsollError as error:
            return events, error
    raise AssertionError("it ended without an error")


def names(events: Sequence[Event]) -> list[str]:
    return [event.id if isinstance(event, Alert) else "snapshot" for event in events]


BEGIN = (subscribed(False, "c0"), snapshot("c0"))


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4000, 4008, 4009, 4499])
async def test_a_stream_that_may_come_back_is_resumed(code: int) -> None:
    again = (subscribed(True, "c1"), alerts("c2", 2))
    first, second = sends(*BEGIN, alerts("c1", 1), then=code), sends(*again, then=4500)
    async with staged(first, second) as stage:
        events, error = await heard(stage.url)
    assert names(events) == ["snapshot", "a1-1", "a1-2"]
    assert [frame["since"] for frame in stage.asked] == [None, "c1"]
    assert isinstance(error, StreamClosed)


@pytest.mark.parametrize("code", [4500, 4501, 4999])
async def test_a_stream_that_must_not_come_back_ends(code: int) -> None:
    async with staged(sends(*BEGIN, alerts("c1", 1), then=code)) as stage:
        events, error = await heard(stage.url)
        assert names(events) == ["snapshot", "a1-1"]
        assert isinstance(error, StreamClosed)
        assert (error.code, error.reason) == (code, "because")
        with Client(stage.url) as client:
            stage._scenes.append(sends(*BEGIN, then=code))
            with pytest.raises(StreamClosed):
                await asyncio.to_thread(list, client.alerts())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidRequest), (401, Unauthorized), (403, Forbidden), (404, NotFound)],
)
async def test_a_refused_handshake_ends_it_with_the_problem(
    status: int, kind: type[PlimsollError]
) -> None:
    async with staged(status) as stage:
        events, error = await heard(stage.url)
    assert (events, type(error), getattr(error, "code", None)) == ([], kind, "no")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_a_service_that_is_not_there_yet_is_waited_for(status: int) -> None:
    async with staged(status, status, sends(*BEGIN, then=4500)) as stage:
        events, _ = await heard(stage.url)
    assert names(events) == ["snapshot"]


async def test_a_subscription_that_is_refused_ends() -> None:
    frame = {"type": "error", "id": "alerts", "code": "too_many_accounts", "detail": "at most 1"}
    async with staged(sends(json.dumps(frame))) as stage:
        _, error = await heard(stage.url)
    assert isinstance(error, SubscriptionRefused)
    assert error.code == "too_many_accounts"


@pytest.mark.parametrize(("token", "header"), [("secret", "Bearer secret"), (None, None)])
async def test_the_key_is_sent_as_a_header(token: str | None, header: str | None) -> None:
    async with staged(sends(then=4500), sends(then=4500)) as stage:
        await heard(stage.url, token=token)
        with Client(stage.url, token=token) as client, pytest.raises(StreamClosed):
            await asyncio.to_thread(list, client.alerts())
        assert stage.headers == [header, header]
        assert "secret" not in json.dumps(stage.asked)


async def test_the_rest_of_a_frame_is_dealt_with_though_the_connection_is_gone() -> None:
    async with staged(sends(*BEGIN, alerts("c1", 1, 2, 3), then=4008), sends(then=4500)) as stage:
        events = []
        with contextlib.suppress(StreamClosed):
            async with AsyncClient(stage.url) as client:
                async for event in client.alerts(reconnect_delay_max_s=0.01):
                    events.append(event)
                    await asyncio.sleep(0.02)  # a consumer that is slower than the network
    assert names(events) == ["snapshot", "a1-1", "a1-2", "a1-3"]
    assert stage.asked[1]["since"] == "c1"


async def test_who_gives_up_says_so() -> None:
    def patient(client: Client | AsyncClient) -> Any:
        return client.alerts(reconnect_delay_max_s=0.01, give_up_after_s=0.05)

    async with AsyncClient("http://127.0.0.1:1") as client, asyncio.timeout(10):
        with pytest.raises(Unreachable):
            await anext(patient(client))
    with Client("127.0.0.1:1") as sync, pytest.raises(Unreachable):
        await asyncio.to_thread(next, patient(sync))


def test_delays_grow_to_their_bound_and_begin_anew_with_a_frame() -> None:
    patience = Patience(delay_max_s=1.0, give_up_after_s=None)

    def bounds(number: int) -> tuple[float, float]:
        longest = min(DELAY_FIRST_S * 2**number, 1.0)
        return longest / 2, longest

    for _ in range(2):
        for number in range(6):
            shortest, longest = bounds(number)
            assert shortest <= patience.delay_after(OSError()) <= longest
        patience.renew()


def test_patience_counts_from_the_loss_and_not_from_the_last_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A consumer that took an hour over an alert has not been without the service for an hour."""
    clock_s = 0.0
    monkeypatch.setattr("plimsoll.patience.time.monotonic", lambda: clock_s)
    patience = Patience(delay_max_s=1.0, give_up_after_s=60.0)
    for _ in range(2):
        clock_s += 3_600.0
        patience.delay_after(OSError())
        clock_s += 59.9
        patience.delay_after(OSError())
        patience.renew()
    patience.delay_after(OSError())
    clock_s += 60.0
    with pytest.raises(Unreachable):
        patience.delay_after(OSError())


def test_a_snapshot_is_no_alert() -> None:
    """A bot that forgets it stops at once and not one day."""
    assert not set(dir(Snapshot)) & {"level", "id", "account_id"}
