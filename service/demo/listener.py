"""A client of the alert stream that comes back by itself: no alert lost, none twice."""

import asyncio
import functools
import operator
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from service.contract.alerts import LevelName
from service.contract.frames import (
    SERVER_FRAMES,
    AlertsFrame,
    ErrorFrame,
    Heartbeat,
    ServerFrame,
    Snapshot,
    Subscribe,
    Subscribed,
)
from service.errors import InvalidInput, StoreUnavailable

RETRY_FIRST_S = 0.2
RETRY_MAX_S = 2.0
GIVE_UP_FROM = 4_500  # close codes from here on mean: do not come back
FRAME_MAX_BYTES = 2**20
ALERTS_ID = "alerts"
MARKS_ID = "marks"

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[ServerFrame] = msgspec.json.Decoder(
    functools.reduce(operator.or_, SERVER_FRAMES)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to listen to: ids or patterns of accounts, levels (none: all), perhaps marks too."""

    accounts: tuple[str, ...] = ("*",)
    levels: tuple[LevelName, ...] = ()
    marks: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A service to talk to: its URL (http or https) and the API key for it, if it wants one."""

    url: str
    token: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every call carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def client(self, timeout_s: float) -> httpx.AsyncClient:
        """Return a client of its REST calls."""
        return httpx.AsyncClient(
            base_url=self.url, headers=self.headers, timeout=timeout_s, trust_env=False
        )


def web_address(url: str) -> str:
    """Return the URL of a service; without a scheme it is http's."""
    return (url if "://" in url else f"http://{url}").rstrip("/")


def stream_url(url: str) -> str:
    """The WebSocket's URL of a service at `url` (http or https)."""
    return url.rstrip("/").replace("http", "ws", 1) + "/v1/stream"


async def listen(
    service: Service,
    wanted: Wanted,
    give_up_after_s: float,
    on_connected: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[ServerFrame]:
    """Yield the frames of a subscription; a lost connection is made again and the log resumed.

    A frame counts as dealt with when the next one is asked for: the cursor moves then. Raises
    StoreUnavailable after `give_up_after_s` without a connection, InvalidInput when refused.
    `on_connected` hears whether there is a connection, whenever that changes.
    """
    loop = asyncio.get_running_loop()
    cursor: str | None = None
    alive_s, delay_s = loop.time(), RETRY_FIRST_S
    while True:
        try:
            async with connect(
                stream_url(service.url),
                additional_headers=service.headers,
                max_size=FRAME_MAX_BYTES,
                compression=None,
                proxy=None,
            ) as socket:
                for subscription in _subscriptions(wanted, cursor):
                    await socket.send(_ENCODER.encode(subscription).decode())
                on_connected(True)
                async for text in socket:
                    frame = _DECODER.decode(text)
                    _check(frame)
                    yield frame
                    cursor = _cursor_of(frame) or cursor
                    alive_s, delay_s = loop.time(), RETRY_FIRST_S
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code >= GIVE_UP_FROM:
                raise InvalidInput(f"the service closed the stream: {error.rcvd.reason}") from error
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError) as error:
            if loop.time() - alive_s > give_up_after_s:
                raise StoreUnavailable(
                    f"no stream at {stream_url(service.url)}: {error}"
                ) from error
        on_connected(False)
        await asyncio.sleep(delay_s)
        delay_s = min(2.0 * delay_s, RETRY_MAX_S)


def _subscriptions(wanted: Wanted, cursor: str | None) -> Sequence[Subscribe]:
    alerts = Subscribe(
        id=ALERTS_ID,
        channel="alerts",
        accounts=list(wanted.accounts),
        levels=list(wanted.levels) or None,
        since=cursor,
    )
    marks = Subscribe(id=MARKS_ID, channel="marks")
    return (alerts, marks) if wanted.marks else (alerts,)


def _check(frame: ServerFrame) -> None:
    if isinstance(frame, ErrorFrame):
        raise InvalidInput(f"the service refused the subscription: {frame.detail}")


def _cursor_of(frame: ServerFrame) -> str | None:
    if isinstance(frame, Subscribed | Snapshot | AlertsFrame | Heartbeat) and frame.id == ALERTS_ID:
        return frame.cursor
    return None
