"""What the supervisor holds for its children: descriptors, listening sockets, the data directory.

The sockets outlive a crash of the worker that serves them: clients wait for the restart in the
backlog and are not refused. Each worker has a socket of its own on the same port (SO_REUSEPORT), so
that the kernel spreads connections evenly.
"""

import asyncio
import contextlib
import errno
import fcntl
import ipaddress
import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.supervisor.children import StartError

BACKLOG = 2_048
LOCK_WAIT_S = 5.0
_LOCK_POLL_S = 0.1


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`; a name counts by every address it stands for."""
    return all(
        ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        for _, address in _addresses(host, 0)
    )


def allow_descriptors() -> int:
    """Let this process and those it starts have as many descriptors as may be; return how many.

    Most systems give a process 1,024 unless it asks: a worker could serve no more connections.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # "unlimited" is more than some systems take
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Return `count` listening sockets of one address; port 0 takes a free one.

    Raises StartError when the port is taken or the address is not this machine's.
    """
    family, address = _addresses(host, port)[0]
    # Without SO_REUSEPORT first: with it, a second service would silently share the port.
    sockets = [_bound(family, address, shared=False)]
    if count > 1:
        probe = sockets.pop()
        address = probe.getsockname()
        probe.close()
        sockets = [_bound(family, address, shared=True) for _ in range(count)]
    return sockets


def is_free(host: str, port: int) -> bool:
    """Whether `listen` would get the port now."""
    try:
        listen(host, port, 1)[0].close()
    except StartError:
        return False
    return True


def url_of(listening: socket.socket) -> str:
    """The URL at which this machine reaches the service."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


async def lock(data_dir: Path) -> int:
    """Take the data directory for this service and return the descriptor that holds it.

    The embedded server inherits it, so that the directory stays taken until that has ended too.
    Raises StartError when another service has it, or when it cannot be written.
    """
    descriptor = _open_lock(data_dir)
    deadline = asyncio.get_running_loop().time() + LOCK_WAIT_S
    while not _locked(descriptor):
        if asyncio.get_running_loop().time() > deadline:
            os.close(descriptor)
            raise StartError(
                f"another plimsoll runs in {data_dir}; stop it or choose another --data-dir"
            )
        await asyncio.sleep(_LOCK_POLL_S)
    return descriptor


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder that only this user can enter; it goes with the block, with what is in it.

    Raises StartError when there is no room for one.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="plimsoll-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StartError(f"several workers need a temporary directory: {error}") from error
    with folder as name:
        yield Path(name)


def _open_lock(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return os.open(data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"the data directory {data_dir} cannot be used: {error}") from error


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [(family, address) for family, *_, address in found]
    except socket.gaierror as error:
        raise StartError(f"the host {host!r} is not known: {error.strerror}") from error


def _bound(family: int, address: tuple[Any, ...], shared: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = address[:2]
    try:
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} of {host} is taken; stop what has it or choose another --port"
            ) from None
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listening
