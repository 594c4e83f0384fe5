"""A worker that serves the stream for real, and a client that checks every frame."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import uvicorn
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from service.access.door import Door
from service.access.meter import Meter
from service.access.silences import SilenceBoard
from service.api.alert_stream import build_alert_stream_router
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.moves import MarketMoves
from service.api.problems import install_problems
from service.api.protocol import RequestProtocol
from service.api.stored_risk import judge_stored
from service.api.watched_markets import WatchedMarkets
from service.contract.frames import SERVER_FRAMES, encode_frame
from service.contract.producing import PRODUCER_ANSWERS
from service.push.admission import Admission, AdmissionRules
from service.push.connection import StreamLimits
from service.push.event_stream import EventStreamResponse
from service.push.hub import Hub, Risks
from service.push.protocol import StreamProtocol
from service.push.routes import build_stream_router
from service.store import client as store_client
from service.store.accounts import Accounts
from service.store.acknowledgements import Acknowledgements
from service.store.alert_log import AlertLog
from service.store.api_keys import ApiKeys
from service.store.epoch import settle
from service.store.market_stream import MarketStream
from service.store.silences import Silences
from service.store.units import Units
from service.store.volatility import VolatilityStore

DOCUMENT = Path(__file__).resolve().parents[2] / "openapi" / "asyncapi.json"
SHARDS = 4
WAIT_S = 20.0
QUICK = StreamLimits(heartbeat_s=60.0, send_timeout_s=1.0)

Frame = dict[str, Any]


@dataclass
class _Built:
    """A hub and what it was made of."""

    hub: Hub
    log: AlertLog
    market: MarketStream
    accounts: Accounts
    silences: Silences
    follower: MarketFollower
    moves: MarketMoves


class Worker:
    """A hub behind a uvicorn of its own, in this event loop."""

    def __init__(self, keys: ApiKeys, url: str, built: _Built) -> None:
        self.keys = keys
        self.url = url
        self.marks_url = url.replace("/v1/stream", "/v1/marks/stream")
        self.hub, self.log, self.follower = built.hub, built.log, built.follower
        self.moves = built.moves
        self.market, self.accounts, self.silences = built.market, built.accounts, built.silences


def _build(
    client: store_client.Client,
    blocking: store_client.Client,
    limits: StreamLimits,
    rate_per_s: float,
) -> _Built:
    log, market = AlertLog(client, SHARDS, blocking), MarketStream(client, blocking=blocking)
    accounts, silences, follower = (
        Accounts(client, market, SHARDS),
        Silences(client),
        MarketFollower(market),
    )
    follower.taker = moves = MarketMoves(market, follower, VolatilityStore(client))
    hub = Hub(
        log,
        lambda: settle(client, SHARDS),
        acks=Acknowledgements(client, market, SHARDS),
        risks=Risks(accounts, partial(judge_stored, follower)),
        markets=WatchedMarkets(follower, moves),
        silences=SilenceBoard(silences),
        meter=Meter(Units(client), rate_per_s, 1.0),
        limits=limits,
    )
    moves.watcher = hub.markets
    return _Built(hub, log, market, accounts, silences, follower, moves)


def _server_of(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=RequestProtocol,
            ws=StreamProtocol,
            ws_max_size=64 * 1_024,
            ws_per_message_deflate=False,
            lifespan="off",
            log_level="warning",
        )
    )


@contextlib.asynccontextmanager
async def open_worker(
    redis_url: str,
    limits: StreamLimits = QUICK,
    rules: AdmissionRules | None = None,
    *,
    follow: bool = False,
    rate_per_s: float = 0.0,
) -> AsyncIterator[Worker]:
    """Serve the stream over the store at `redis_url` until the block ends.

    With `rules` keys are in force; without, whoever comes may do everything. `follow`: the worker
    follows the market stream, as the service's does. `rate_per_s`: units of a key.
    """
    async with (
        store_client.connect(redis_url) as client,
        store_client.connect_blocking(redis_url) as blocking,
        asyncio.TaskGroup() as tasks,
    ):
        # Before anybody writes: what was there before a log has an epoch counts as lost, and all
        # who follow the market start over.
        await settle(client, SHARDS)
        built = _build(client, blocking, limits, rate_per_s)
        hub, follower = built.hub, built.follower
        if follow:
            follower.listener = hub
        keys = ApiKeys(client)
        door = Door(keys, in_force=rules is not None)
        admission = Admission(door, hub, rules or AdmissionRules())
        app = FastAPI()
        install_problems(app)
        open_stream = partial(EventStreamResponse, hub, admission)
        entrance = Entrance(door, Meter(Units(client), 0.0, 1.0))
        app.include_router(build_alert_stream_router(entrance, open_stream))
        app.include_router(build_stream_router(hub, admission, built.market))
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        server = _server_of(app)
        works = (hub.run, admission.run, *((follower.run, built.moves.run) if follow else ()))
        following = [tasks.create_task(run()) for run in works]
        serving = tasks.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        try:
            url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/stream"
            yield Worker(keys, url, built)
        finally:
            server.should_exit = True
            await serving
            for task in following:
                task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - there is no event for what others do
            await asyncio.sleep(0.005)


class Client:
    """A connection that validates what it reads; `cursor` is that of the newest frame read."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.cursor: str | None = None
        self.largest = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, receive_buffer: int | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Connect; `receive_buffer` bounds what the kernel holds for an unread socket."""
        own = socket.socket()
        own.setblocking(False)
        if receive_buffer is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        address = urlsplit(url)
        try:
            await asyncio.get_running_loop().sock_connect(own, (address.hostname, address.port))
            connection = await connect(
                url,
                sock=own,
                max_size=2**20,
                compression=None,
                close_timeout=1,
                additional_headers=headers,
            )
        except BaseException:
            own.close()
            raise
        try:
            yield cls(connection)
        finally:
            await connection.close()

    async def send(self, **frame: object) -> None:
        await self.connection.send(json.dumps(frame))

    async def subscribe(self, *accounts: str, **more: object) -> Frame:
        """Subscribe to alerts as "1" unless told otherwise; the `subscribed` frame."""
        frame = {"op": "subscribe", "id": "1", "channel": "alerts", "accounts": accounts, **more}
        await self.send(**frame)
        return await self.read("subscribed")

    async def read(self, kind: str | None = None) -> Frame:
        """Return the next frame, which must be of this type."""
        async with asyncio.timeout(WAIT_S):
            raw = await self.connection.recv()
        assert isinstance(raw, str)
        self.largest = max(self.largest, len(raw.encode()))
        frame = check_frame(raw)
        self.cursor = frame.get("cursor") or self.cursor
        assert kind in (None, frame["type"]), frame
        return frame

    async def alerts(self, count: int) -> list[dict[str, Any]]:
        """Read frames of alerts until there are this many."""
        alerts: list[dict[str, Any]] = []
        while len(alerts) < count:
            alerts += (await self.read("alerts"))["alerts"]
        return alerts

    async def closed(self) -> int | None:
        """Read on until the server closes; its code."""
        async with asyncio.timeout(WAIT_S):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
            await self.connection.wait_closed()
        return self.connection.close_code


def check_frame(raw: str) -> Frame:
    """Return the frame, which must be one of the AsyncAPI document's, without a field too many.

    Of a long list only the first few are held against the document: it takes a millisecond each.
    """
    frame: Frame = json.loads(raw)
    validators = _validators()
    assert frame["type"] in validators, frame
    few = {name: part[:3] if isinstance(part, list) else part for name, part in frame.items()}
    validators[frame["type"]].validate(few)
    known = msgspec.json.decode(raw, type=_KINDS[frame["type"]])
    assert json.loads(encode_frame(known)) == frame
    return frame


_KINDS = {str(kind.__struct_config__.tag): kind for kind in (*SERVER_FRAMES, *PRODUCER_ANSWERS)}


@cache
def _validators() -> dict[str, Draft202012Validator]:
    document = json.loads(DOCUMENT.read_text())
    operations = document["operations"]
    sent = operations["sendFrames"]["messages"] + operations["sendMarkAnswers"]["messages"]
    messages = [document["components"]["messages"][each["$ref"].split("/")[-1]] for each in sent]
    return {
        message["name"]: Draft202012Validator(
            {**message["payload"], "components": document["components"]}
        )
        for message in messages
    }
