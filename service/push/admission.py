"""Who may open the stream, and for how long: origin, key, how many at once, keys that end.

A page of another site is refused before the handshake, and so is anything in the address, where
tokens end up in logs. Who has a key says so by the header or by the first frame; a connection that
does not is told not to come back. Each key of an open session is looked at again every second.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from starlette.websockets import WebSocket

from service.access.door import Caller, Door, token_of
from service.contract.frame_reading import FrameRefused, decode_client_frame
from service.contract.frames import Auth
from service.errors import StoreUnavailable, TooManyConnections, Unauthenticated
from service.push.close_codes import CloseCode
from service.push.hub import Hub

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """`origins` are web origins besides our own; `connections_max` is of a key to one worker."""

    origins: frozenset[str] = frozenset()
    connections_max: int = 1_000
    first_frame_s: float = 10.0


class Admission:
    """What stands before a worker's hub; `run` ends the sessions of keys that are no more."""

    def __init__(self, door: Door, hub: Hub, rules: AdmissionRules) -> None:
        self._door = door
        self._hub = hub
        self._rules = rules
        self._connected: Counter[str] = Counter()

    def may_shake_hands(self, socket: WebSocket) -> bool:
        """Whether a socket is worth accepting: a page of ours or no page, a bare address."""
        origin = socket.headers.get("origin")
        known = (
            origin is None
            or origin in self._rules.origins
            or urlsplit(origin).netloc.lower() == socket.headers.get("host", "").lower()
        )
        return known and not socket.url.query

    async def admit(self, socket: WebSocket) -> Caller:
        """Return whose socket this is; raises Unauthenticated, StoreUnavailable."""
        if token_of(socket) is not None or not self._door.in_force:
            return await self._door.admit(socket)
        return await self._door.caller_of(await self._first_token(socket))

    @contextmanager
    def counted(self, caller: Caller) -> Iterator[None]:
        """Count a stream of a key while it lasts; raises TooManyConnections."""
        connections_max = self._rules.connections_max
        if caller.key_id and self._connected[caller.key_id] >= connections_max:
            raise TooManyConnections(f"this key has {connections_max} streams open already")
        self._connected[caller.key_id] += 1
        try:
            yield
        finally:
            self._connected[caller.key_id] -= 1
            if not self._connected[caller.key_id]:
                del self._connected[caller.key_id]

    async def run(self) -> None:
        """Look at the keys of all sessions again and again, until cancelled."""
        while True:
            await anyio.sleep(_LOOK_EVERY_S)
            for caller in {session.caller for session in self._hub.sessions}:
                if not await self._still_good(caller):
                    self._end(caller)

    async def _still_good(self, caller: Caller) -> bool:
        try:
            return await self._door.still_good(caller)
        except StoreUnavailable:
            return True  # nobody is cut off for an outage of ours

    def _end(self, caller: Caller) -> None:
        for session in self._hub.sessions:
            if session.caller == caller:
                session.end(CloseCode.UNAUTHENTICATED)

    async def _first_token(self, socket: WebSocket) -> str:
        """Return the token of the first frame; raises Unauthenticated when it is anything else."""
        message = None
        with anyio.move_on_after(self._rules.first_frame_s):
            message = await socket.receive()
        text = None if message is None else message.get("text")
        try:
            frame = None if text is None else decode_client_frame(text)
        except FrameRefused:
            frame = None
        if not isinstance(frame, Auth):
            raise Unauthenticated(Unauthenticated.DETAIL)
        return frame.token
