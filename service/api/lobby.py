"""Where a connection waits until it says something; nobody's many hold up who is served already.

uvicorn takes all that have connected in one turn of its event loop and builds a protocol with a
parser, a transport and a timer for each, whether it ever asks for anything or not. Here one that
is silent is a socket and its place in a queue, and every turn does a bounded part of what waits:
so many are let in, so many of those that spoke become connections of the server, so many of those
that hung up or waited too long are closed. The rest waits for the next turn, behind the requests
of whoever is inside; what turns that are long let each kind do is a share of the time.
"""

import asyncio
import contextlib
import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from time import monotonic

from service.api import protocol

# A turn and a second, by what one costs on a busy machine: a tenth of the time, and a quarter.
LET_IN = SEEN_OFF = (16, 4_000.0)  # ten to thirty microseconds each
SERVED = (2, 250.0)  # connection and first request take half a millisecond, or a whole one
LONG_TURN_S = 0.1  # what a longer one counts as
NO_ROOM_S = 1.0  # until it is tried again, when the system has no descriptor for who is next

_log = logging.getLogger("plimsoll.lobby")


@dataclass(slots=True)
class Share:
    """How many of a kind a turn may deal with: `least`, or `per_s` while some are left over.

    By a number alone those outside would starve where those inside make every turn a long one.
    """

    least: int
    per_s: float
    _left_at_s: float | None = field(default=None, init=False)

    def most(self) -> int:
        """Return how many this turn may deal with."""
        if self._left_at_s is None:
            return self.least
        turn_s = min(monotonic() - self._left_at_s, LONG_TURN_S)
        return max(self.least, int(self.per_s * turn_s))

    def end(self, left: bool) -> None:
        """Say whether the turn `left` some for the next one, or may have."""
        self._left_at_s = monotonic() if left else None


class Lobby:
    """Lets in who connects to `listening`, in a running event loop, from `open` to `close`.

    `protocol_of(came_s)` makes what serves a connection that came at that time of the loop's clock;
    `served()` counts the connections that are served now.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        protocol_of: Callable[[float], asyncio.Protocol],
        served: Callable[[], int],
    ) -> None:
        self._listening, self._protocol_of, self._served = listening, protocol_of, served
        self._loop = asyncio.get_running_loop()
        self._selector = selectors.DefaultSelector()
        self._came_s: dict[socket.socket, float] = {}  # of each that waits, the oldest first
        self._stirred: deque[socket.socket] = deque()  # have spoken or hung up; some left since
        self._letting_in, self._serving = Share(*LET_IN), Share(*SERVED)
        self._seeing_off, self._refusing = Share(*SEEN_OFF), Share(*SEEN_OFF)
        self._inside: set[asyncio.Task[None]] = set()  # on their way to the server
        self._no_room: dict[socket.socket, asyncio.TimerHandle] = {}
        self._patience: asyncio.TimerHandle | None = None  # for the oldest, or one that was it

    def open(self) -> None:
        """Begin to let in."""
        for listening in self._listening:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._let_in, listening)
        self._loop.add_reader(self._selector.fileno(), self._look)

    def let_nobody_in(self) -> None:
        """Those that wait are served on when they speak."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
        for again in self._no_room.values():
            again.cancel()

    async def close(self) -> None:
        """Hang up on those that wait; return when those that spoke are the server's."""
        self.let_nobody_in()
        if self._patience is not None:
            self._patience.cancel()
        self._loop.remove_reader(self._selector.fileno())
        for connection in list(self._came_s):
            self._see_off(connection)
        self._selector.close()
        if self._inside:
            await asyncio.wait(self._inside)

    def _let_in(self, listening: socket.socket) -> None:
        for _ in range(self._letting_in.most()):
            try:
                connection, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._letting_in.end(left=False)
                return
            except OSError as error:
                self._let_in_later(listening, error)
                return
            if self._present() < protocol.connections_max():
                self._have_wait(connection)
            else:
                connection.close()
        self._letting_in.end(left=True)

    def _have_wait(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)
        self._came_s[connection] = self._loop.time()
        if self._patience is None:
            self._wait_for_the_oldest()

    def _let_in_later(self, listening: socket.socket, error: OSError) -> None:
        """Without a pause the loop would turn on the spot: the next one stays where it is."""
        self._letting_in.end(left=False)
        _log.warning("nobody is let in for %g s: %s", NO_ROOM_S, error)
        self._loop.remove_reader(listening)
        again = partial(self._loop.add_reader, listening, self._let_in, listening)
        self._no_room[listening] = self._loop.call_later(NO_ROOM_S, again)

    def _present(self) -> int:
        return len(self._came_s) + len(self._inside) + self._served()

    def _look(self) -> None:
        """Pass on some of those that have spoken, close some of those that have hung up."""
        if not self._stirred:
            found = self._selector.select(0)
            self._stirred.extend(key.fileobj for key, _ in found)  # type: ignore[misc]
        served, seen_off = self._serving.most(), self._seeing_off.most()
        while self._stirred and served and seen_off:
            connection = self._stirred.popleft()
            if connection not in self._came_s:
                continue  # its time was over meanwhile
            if _has_spoken(connection):
                self._pass_on(connection)
                served -= 1
            else:
                self._see_off(connection)
                seen_off -= 1
        self._serving.end(left=bool(self._stirred))
        self._seeing_off.end(left=bool(self._stirred))

    def _pass_on(self, connection: socket.socket) -> None:
        """Have what it says served; it stays unread until then."""
        protocol_of = partial(self._protocol_of, self._leave(connection))
        task = self._loop.create_task(self._serve(connection, protocol_of))
        self._inside.add(task)
        task.add_done_callback(self._inside.discard)

    async def _serve(
        self, connection: socket.socket, protocol_of: Callable[[], asyncio.Protocol]
    ) -> None:
        try:
            await self._loop.connect_accepted_socket(protocol_of, connection)
        except OSError:  # some systems want no settings of a socket that is hung up already
            connection.close()

    def _see_off(self, connection: socket.socket) -> None:
        self._leave(connection)
        connection.close()

    def _leave(self, connection: socket.socket) -> float:
        self._selector.unregister(connection)
        return self._came_s.pop(connection)

    def _wait_for_the_oldest(self) -> None:
        self._patience = None
        for came_s in islice(self._came_s.values(), 1):
            due_s = came_s + protocol.HEAD_S
            self._patience = self._loop.call_at(due_s, self._lose_patience)

    def _lose_patience(self) -> None:
        """Refuse some of those whose time is over."""
        due_s = self._loop.time() - protocol.HEAD_S
        oldest = list(islice(self._came_s.items(), self._refusing.most()))
        over = [connection for connection, came_s in oldest if came_s <= due_s]
        for connection in over:
            with contextlib.suppress(OSError):
                connection.send(protocol.head_timeout())
            self._see_off(connection)
        self._refusing.end(left=len(over) == len(oldest))
        self._wait_for_the_oldest()


def _has_spoken(connection: socket.socket) -> bool:
    """Whether there is something to read; False when it has hung up."""
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except OSError:
        return False
