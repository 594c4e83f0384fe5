"""A real server process for tests: to start, kill as a crash would, start again."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from service.store.embedded import command, find_binary, socket_path


class ValkeyServer:
    """One server over one data directory, on a unix socket (and a TCP port when given)."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        appendfsync: str = "always",
        extra: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir
        self.socket_file = socket_path(data_dir)
        self.port = port
        self._appendfsync = appendfsync
        self.extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket_file}"

    @property
    def nodes(self) -> "list[ValkeyServer]":
        """The processes there are: as a cluster has it, with one."""
        return [self]

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, timeout_s: float = 10.0) -> None:
        """Start it and return when it answers."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        arguments = command(
            find_binary(),
            self.data_dir,
            self.socket_file,
            port=self.port,
            appendfsync=self._appendfsync,
        )
        with (self.data_dir / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen([*arguments, *self.extra], stdout=log, stderr=log)
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            assert self._process.poll() is None, (self.data_dir / "valkey.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == "+PONG\r\n"
        except OSError:
            return False

    def ask(self, command_line: str) -> str:
        """Send one command and return what comes back, in the wire's form."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5.0)
            peer.connect(str(self.socket_file))
            peer.sendall(f"{command_line}\r\n".encode())
            return peer.recv(65_536).decode()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it cleanly."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10.0)
            self._process = None

    def flush(self) -> None:
        """Empty it."""
        assert self.ask("FLUSHALL") == "+OK\r\n"
