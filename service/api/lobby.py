"""Where a connection waits until it says something; nobody's many hold up who is served already.

uvicorn takes all that have connected in one turn of its event loop and builds a protocol with a
parser, a transport and a timer for each, whether it ever asks for anything or not. Here one that
is silent is a socket and its place in a queue, and every turn does a bounded part of what waits:
so many are let in, so many of those that spoke become connections of the server, so many of those
that hung up or waited too long are closed. The rest waits for the next turn, behind the requests
of whoever is inside.
"""

import asyncio
import contextlib
import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

from service.api import protocol

LET_IN_A_TURN = 16  # ten or twenty microseconds each
SEEN_OFF_A_TURN = 16
SERVED_A_TURN = 2  # connection and first request are up to a millisecond
NO_ROOM_S = 1.0  # until it is tried again, when the system has no descriptor for who is next

_log = logging.getLogger("plimsoll.lobby")


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
        for _ in range(LET_IN_A_TURN):
            try:
                connection, _address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._let_in_later(listening, error)
                return
            if self._present() >= protocol.connections_max():
                connection.close()
                continue
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
            self._came_s[connection] = self._loop.time()
            if self._patience is None:
                self._wait_for_the_oldest()

    def _let_in_later(self, listening: socket.socket, error: OSError) -> None:
        """Without a pause the loop would turn on the spot: the next one stays where it is."""
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
        passed_on = 0
        for _ in range(min(len(self._stirred), SEEN_OFF_A_TURN)):
            connection = self._stirred.popleft()
            if connection not in self._came_s:
                continue  # its time was over meanwhile
            if not _has_spoken(connection):
                self._see_off(connection)
                continue
            self._pass_on(connection)
            passed_on += 1
            if passed_on == SERVED_A_TURN:
                return

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
        now_s = self._loop.time()
        for connection, came_s in list(islice(self._came_s.items(), SEEN_OFF_A_TURN)):
            if came_s + protocol.HEAD_S > now_s:
                break
            with contextlib.suppress(OSError):
                connection.send(protocol.head_timeout())
            self._see_off(connection)
        self._wait_for_the_oldest()


def _has_spoken(connection: socket.socket) -> bool:
    """Whether there is something to read; False when it has hung up."""
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except OSError:
        return False
