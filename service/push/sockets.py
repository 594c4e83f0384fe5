"""The life of a WebSocket, whoever is at its other end: heard frame by frame, written to by one
task, closed with a reason.

Its tasks are pump (outbox to socket, the only writer), listen (socket to frames, the only way to
learn of a hang-up), a wait for the order to end, and what its connection does besides. The first to
end ends them all.
"""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup
from starlette.websockets import WebSocket

from service.contract.frame_reading import FrameRefused
from service.contract.frames import ServerFrame
from service.push.close_codes import REASONS, CloseCode
from service.push.connection import CLOSE_S, Connection, start_all

BAD_FRAMES_MAX = 100


async def serve(
    connection: Connection,
    socket: WebSocket,
    obey: Callable[[str, TaskGroup], Awaitable[None]],
    refuse: Callable[[ServerFrame], Awaitable[None]],
    work: Callable[[], Awaitable[None]],
) -> None:
    """Serve an accepted socket until a side ends it; raises WebSocketDisconnect in a group.

    `obey` is given every text and may raise FrameRefused, `refuse` the frame that says why.
    """
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            await _listen(connection, socket, lambda text: obey(text, tasks), refuse)

        async def pump() -> None:
            await connection.pump(socket.send_text)

        start_all(tasks, listen, pump, work, connection.ended)
    if connection.close_code is not None:
        # A peer that does not read must not hold the close either.
        with anyio.move_on_after(CLOSE_S):
            await socket.close(connection.close_code, REASONS[connection.close_code])


async def _listen(
    connection: Connection,
    socket: WebSocket,
    obey: Callable[[str], Awaitable[None]],
    refuse: Callable[[ServerFrame], Awaitable[None]],
) -> None:
    bad_frames = 0
    while (message := await socket.receive())["type"] != "websocket.disconnect":
        await connection.pay(1)
        try:
            text = message.get("text")
            if text is None:
                raise FrameRefused("binary_frame", "frames are JSON text")
            await obey(text)
        except FrameRefused as refused:
            await refuse(refused.frame)
            bad_frames += 1
            if bad_frames > BAD_FRAMES_MAX:
                connection.end(CloseCode.TOO_MANY_ERRORS)
