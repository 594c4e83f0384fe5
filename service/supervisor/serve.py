"""The service on one machine: an embedded Valkey, API workers, monitors and the rest, in order.

They are processes of their own that meet only in Valkey, which starts first and stops last: what
the others have to say when they go, they say to it.
"""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import orjson

from service.errors import StoreUnavailable
from service.running import WORKER_SOCKET
from service.settings import Settings
from service.store import embedded
from service.store.client import connect
from service.store.formats import migrate, refuse_other_data
from service.supervisor import resources
from service.supervisor.children import SUPERVISOR, Part, Say, StartError
from service.supervisor.crew import AT_WORK_WITHIN_S, VALKEY, Crew
from service.supervisor.extras import by_process, check_extras

RUN_PART = (sys.executable, "-m", "service.part")
FORMAT_WITHIN_S = 2.0
READY_POLL_S = 0.05
READY_SAY_EVERY_S = 3.0
STOP_API_S = 8.0  # five of them are the notice to those who listen
STOP_MONITOR_S = 6.0
STOP_WEBHOOKS_S = 3.0
STOP_VALKEY_S = 1.5  # after the others: together below ten seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers at `url`; `ended` never completes while all its processes are kept."""

    url: str
    redis_url: str
    ended: asyncio.Future[None]
    renew: Callable[[], Awaitable[None]]  # every process but Valkey, one after the other


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the PLIMSOLL_* variables that give a child process these very settings."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"PLIMSOLL_{name.upper()}": value
        if isinstance(value, str)
        else orjson.dumps(value).decode()
        for name, value in values.items()
    }


def check_bind(settings: Settings) -> None:
    """Refuse to listen beyond this machine without keys, unless told to."""
    open_to_all = not (settings.keys_in_force or settings.allow_public)
    if open_to_all and not resources.is_loopback(settings.host):
        raise StartError(
            f"{settings.host} can be reached from other machines, and without keys whoever reaches "
            "the service can read and write everything in it. Set PLIMSOLL_BOOTSTRAP_KEY (or "
            "PLIMSOLL_REQUIRE_KEYS=true, once there are keys), listen on 127.0.0.1, or set "
            "PLIMSOLL_ALLOW_PUBLIC=true where the network itself keeps strangers out."
        )


@contextlib.asynccontextmanager
async def running(settings: Settings, say: Say, monitors: int = 1) -> AsyncIterator[Running]:
    """Run the service and yield once it is ready; everything is stopped on the way out.

    Without `monitors` it is API workers alone (the rest runs elsewhere). Raises StartError when it
    cannot start.
    """
    check_bind(settings)
    check_extras(settings)
    resources.allow_descriptors()
    crew = Crew(say)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(crew.stop)
        sockets = resources.listen(settings.host, settings.port, settings.workers)
        for listening in sockets:
            # Before the workers stop: who comes now is refused and does not wait in the backlog.
            stack.callback(listening.close)
        redis_url = settings.redis_url
        if redis_url is None:
            part, socket_file = await _valkey(settings, stack)
            redis_url = f"unix://{socket_file}"
            crew.add(part)
            await crew.unless_ended(answers(socket_file))
            await crew.unless_ended(_brought_up(redis_url, say))
        else:
            await _refuse_other_format(redis_url)
        url = resources.url_of(sockets[0])
        given = {"redis_url": redis_url, "workers": 1, "sync_url": settings.sync_url or url}
        settings = settings.model_copy(update=given)
        folder = stack.enter_context(resources.private_folder()) if len(sockets) > 1 else None
        for part in (*_parts(settings, monitors), *_workers(settings, sockets, folder)):
            crew.add(part)
        await crew.unless_ended(_ready(f"{url}/readyz" if monitors else f"{url}/livez", say))
        crew.settle()
        yield Running(url, redis_url, crew.ended, crew.renew)


async def _valkey(settings: Settings, stack: contextlib.AsyncExitStack) -> tuple[Part, Path]:
    data_dir = Path(settings.data_dir)
    held = await resources.lock(data_dir)
    stack.callback(os.close, held)
    socket_file = embedded.socket_path(data_dir)
    try:
        binary = embedded.find_binary()
    except StoreUnavailable as error:
        raise StartError(error.detail) from error
    argv = embedded.command(binary, data_dir, socket_file, appendfsync=settings.appendfsync)
    return Part(VALKEY, tuple(argv), STOP_VALKEY_S, descriptors=(held,)), socket_file


async def _brought_up(redis_url: str, say: Say) -> None:
    """Bring data of an earlier release up to our format: nobody else works over it yet."""
    async with connect(redis_url) as client:
        await migrate(client, partial(say, SUPERVISOR))


async def _refuse_other_format(redis_url: str) -> None:
    """Raise WrongFormat where others' data is of another format; later, if it is away now."""
    async with connect(redis_url, timeout_s=FORMAT_WITHIN_S) as client:
        with contextlib.suppress(StoreUnavailable):
            await refuse_other_data(client)


async def answers(socket_file: Path) -> None:
    """Return once Valkey answers: it does not while it reads its file."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_unix_connection(socket_file)
                writer.write(b"PING\r\n")
                answer = await reader.readline()
                writer.close()
            if answer.startswith(b"+PONG"):
                return
        await asyncio.sleep(READY_POLL_S)


def _parts(settings: Settings, monitors: int) -> list[Part]:
    """Return the processes that are no API workers: none, where there are no monitors."""
    environment = environment_of(settings)
    parts = [
        Part(
            _numbered("monitor", number, monitors),
            (*RUN_PART, "--role", "monitor"),
            STOP_MONITOR_S,
            environment,
        )
        for number in range(1, monitors + 1)
    ]
    if monitors:
        webhooks = (*RUN_PART, "--role", "webhooks")
        parts.append(Part("webhooks", webhooks, STOP_WEBHOOKS_S, environment))
    if monitors and settings.targets:
        targets = (*RUN_PART, "--role", "targets")
        parts.append(Part("targets", targets, STOP_WEBHOOKS_S, environment))
    for name, of_process in by_process(settings.feeds) if monitors else ():
        own = {**environment, "PLIMSOLL_FEEDS": of_process}
        parts.append(Part(name, (*RUN_PART, "--role", "feed"), STOP_WEBHOOKS_S, own))
    if monitors and settings.sync_file is not None:
        sync = (*RUN_PART, "--role", "sync")
        parts.append(Part("sync", sync, STOP_WEBHOOKS_S, environment))
    return parts


def _workers(
    settings: Settings, sockets: Sequence[socket.socket], folder: Path | None
) -> Iterator[Part]:
    """Yield the API workers; several tell each other their figures in `folder`."""
    environment = environment_of(settings)
    for number, listening in enumerate(sockets, start=1):
        descriptor = listening.fileno()
        argv = (*RUN_PART, "--role", "api", "--listen-fd", str(descriptor))
        name = _numbered("api", number, len(sockets))
        own = environment if folder is None else {**environment, WORKER_SOCKET: str(folder / name)}
        yield Part(name, argv, STOP_API_S, own, (descriptor,))


def _numbered(name: str, number: int, count: int) -> str:
    return name if count == 1 else f"{name}-{number}"


async def _ready(url: str, say: Say) -> None:
    loop = asyncio.get_running_loop()
    started_s = told_s = loop.time()
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while True:
            reason = await _why_not_ready(client, url)
            if reason is None:
                return
            if loop.time() - started_s > AT_WORK_WITHIN_S:
                raise StartError(f"not ready after {AT_WORK_WITHIN_S:g} s: {reason}")
            if loop.time() - told_s > READY_SAY_EVERY_S:
                told_s = loop.time()
                say(SUPERVISOR, f"starting for {told_s - started_s:.0f} s: {reason}")
            await asyncio.sleep(READY_POLL_S)


async def _why_not_ready(client: httpx.AsyncClient, url: str) -> str | None:
    try:
        response = await client.get(url)
    except httpx.TransportError:
        return "the API does not answer yet"
    if response.status_code == 200:
        return None
    try:
        said = orjson.loads(response.content)
        return "; ".join(said.get("reasons") or [str(said.get("detail", response.status_code))])
    except (orjson.JSONDecodeError, AttributeError):
        return f"the API answers {response.status_code}"
