"""A silent connection costs a socket; what waits is dealt with a bounded part each turn."""

import asyncio
import contextlib
import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from service.api import lobby, protocol
from service.api.lobby import LET_IN, SEEN_OFF, SERVED, Lobby

pytestmark = pytest.mark.anyio

MANY = 3 * LET_IN[0] + 1


class Served(asyncio.Protocol):
    """Says back what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class House:
    """A lobby, who is served behind it, and in which turn of the loop each thing happened."""

    def __init__(self, *listening: socket.socket) -> None:
        self.turn = 0
        self.let_in: list[int] = []
        self.passed_on: list[int] = []
        self.came_s: list[float] = []
        self.served: list[Served] = []
        self.lobby = Lobby(listening, self._protocol_of, self._let_one_in)
        self._count_turns()

    async def have(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10.0):
            while not condition():  # noqa: ASYNC110 - whatever happens, it happens in a turn
                await asyncio.sleep(0)

    def _count_turns(self) -> None:
        self.turn += 1
        self.counting = asyncio.get_running_loop().call_soon(self._count_turns)

    def leave(self) -> None:
        self.counting.cancel()
        for each in self.served:
            each.transport.abort()

    def _let_one_in(self) -> int:
        self.let_in.append(self.turn)
        return 0

    def _protocol_of(self, came_s: float) -> Served:
        self.passed_on.append(self.turn)
        self.came_s.append(came_s)
        self.served.append(Served())
        return self.served[-1]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """By what the length of a turn is told: to itself it has none."""
    stopped = [0.0]
    monkeypatch.setattr(lobby, "monotonic", lambda: stopped[0])
    return stopped


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as made:
        yield made


@pytest.fixture
def clients(listening: socket.socket) -> Iterator[list[socket.socket]]:
    """As many as wait in the backlog before anybody is let in."""
    with contextlib.ExitStack() as held:
        yield [
            held.enter_context(socket.create_connection(listening.getsockname(), timeout=10.0))
            for _ in range(MANY)
        ]


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.4)


@pytest.fixture
async def house(listening: socket.socket) -> AsyncIterator[House]:
    made = House(listening)
    made.lobby.open()
    yield made
    await made.lobby.close()
    made.leave()


def most_in_a_turn(turns: list[int]) -> int:
    return max(Counter(turns).values())


def is_hung_up(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1_000) == b""
    except BlockingIOError:
        return False


@pytest.mark.usefixtures("clients")
async def test_so_many_are_let_in_a_turn_and_the_silent_cost_nothing_more(house: House) -> None:
    await house.have(lambda: len(house.let_in) == MANY)
    assert most_in_a_turn(house.let_in) == LET_IN[0]
    for _ in range(100):
        await asyncio.sleep(0)
    assert not house.passed_on


async def test_so_many_of_those_that_speak_are_served_a_turn_and_all_in_the_end(
    clients: list[socket.socket], house: House
) -> None:
    for client in clients:
        client.send(b"hello")
    await house.have(lambda: len(house.passed_on) == MANY)
    assert most_in_a_turn(house.passed_on) == SERVED[0]
    for client in clients:
        assert await asyncio.to_thread(client.recv, 100) == b"hello"


async def test_long_turns_starve_nobody_outside_and_take_a_share_of_the_time(
    clients: list[socket.socket], house: House, clock: list[float]
) -> None:
    """After a turn of 40 ms as many as are served in 40 ms."""

    def pass_time() -> None:
        clock[0] += 0.04
        passing.append(asyncio.get_running_loop().call_soon(pass_time))

    for client in clients:
        client.send(b"hello")
    passing: list[asyncio.Handle] = []
    pass_time()
    await house.have(lambda: len(house.passed_on) == MANY)
    passing[-1].cancel()
    most = int(0.04 * SERVED[1])
    assert sorted(Counter(house.passed_on).values())[-3:] == [most] * 3


def test_a_share_is_of_the_time_since_some_were_left_and_never_less_than_the_least(
    clock: list[float],
) -> None:
    share = lobby.Share(2, 1_000.0)
    clock[0] = 60.0
    assert share.most() == 2  # nobody has waited for this minute
    share.end(left=True)
    assert share.most() == 2
    clock[0] += 0.0035
    assert share.most() == 3
    clock[0] += 60.0  # it was thought that some were left, and they were not
    assert share.most() == 1_000.0 * lobby.LONG_TURN_S
    share.end(left=False)
    clock[0] += 1.0
    assert share.most() == 2


async def test_so_many_of_those_that_hang_up_are_closed_a_turn_and_never_served(
    clients: list[socket.socket], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_off, see_off = [], Lobby._see_off

    def noted(self: Lobby, connection: socket.socket) -> None:
        seen_off.append(house.turn)
        see_off(self, connection)

    monkeypatch.setattr(Lobby, "_see_off", noted)
    await house.have(lambda: len(house.let_in) == MANY)
    for client in clients:
        client.close()
    await house.have(lambda: len(seen_off) == MANY)
    assert most_in_a_turn(seen_off) == SEEN_OFF[0]
    assert not house.passed_on


@pytest.mark.usefixtures("little_patience")
async def test_the_silent_are_refused_when_their_time_is_over_so_many_a_turn(
    clients: list[socket.socket],
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused: list[int] = []

    def refusal() -> bytes:
        refused.append(house.turn)
        return b"too late"

    monkeypatch.setattr(protocol, "head_timeout", refusal)
    await house.have(lambda: len(house.let_in) == MANY)
    clients[0].send(b"in time")
    await house.have(lambda: len(refused) == MANY - 1)
    assert most_in_a_turn(refused) <= SEEN_OFF[0]
    assert clients[0].recv(100) == b"in time"
    for client in clients[1:]:
        assert (client.recv(100), client.recv(100)) == (b"too late", b"")


@pytest.mark.usefixtures("little_patience")
async def test_each_has_its_own_time_from_when_it_came(
    listening: socket.socket, house: House
) -> None:
    clock = asyncio.get_running_loop().time
    with (
        socket.create_connection(listening.getsockname()) as early,
        socket.create_connection(listening.getsockname()) as speaks,
    ):
        came_s = clock()
        await house.have(lambda: len(house.let_in) == 2)
        await house.have(lambda: clock() > came_s + 0.2)
        with socket.create_connection(listening.getsockname()) as late:
            speaks.send(b"hello")
            await house.have(lambda: house.served)
            assert came_s - 0.1 < house.came_s[0] < came_s + 0.1
            await house.have(lambda: is_hung_up(early))
            assert clock() >= came_s + 0.3
            assert not is_hung_up(late)
            await house.have(lambda: is_hung_up(late))
            assert clock() >= came_s + 0.6


async def test_one_is_let_in_later_when_there_is_no_descriptor(
    listening: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(socket.socket):
        tries = 0

        def accept(self) -> tuple[socket.socket, Any]:
            self.tries += 1
            if self.tries <= 2:
                raise OSError(errno.EMFILE, "no descriptors")
            return super().accept()

    monkeypatch.setattr(lobby, "NO_ROOM_S", 0.1)
    with (
        Full(fileno=listening.detach()) as full,
        socket.create_connection(full.getsockname()) as client,
    ):
        clock = asyncio.get_running_loop().time
        house, begun_s = House(full), clock()
        house.lobby.open()
        client.send(b"hello")
        await house.have(lambda: house.passed_on)
        assert clock() >= begun_s + 0.15
        assert len(caplog.records) == 2  # it did not turn on the spot
        await house.lobby.close()
        house.leave()


async def test_at_the_end_nobody_is_let_in_who_waits_is_served_and_then_hung_up_on(
    listening: socket.socket, clients: list[socket.socket]
) -> None:
    house = House(listening)
    house.lobby.open()
    await house.have(lambda: len(house.let_in) == MANY)
    house.lobby.let_nobody_in()
    with socket.create_connection(listening.getsockname()) as late:
        late.send(b"hello")
        clients[0].send(b"hello")
        await house.have(lambda: house.passed_on)
        assert await asyncio.to_thread(clients[0].recv, 100) == b"hello"
        await house.lobby.close()
        assert len(house.let_in) == MANY
        assert not is_hung_up(late)  # it waits for another worker
        for client in clients[1:]:
            assert client.recv(100) == b""
        house.leave()
