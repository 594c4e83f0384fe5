"""The processes of a run: the service, the floor beside it, a proxy that plants faults."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from tests.launching import free_port

READY_S = 60.0
STOP_S = 15.0
ROOT = Path(__file__).parents[1]
_REFUSAL = b"HTTP/1.1 500 Planted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when `url` answers 2xx; RuntimeError when the process ends or READY_S pass first."""
    end = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer; the process says {process.poll()}")


@contextlib.contextmanager
def running(
    arguments: list[str],
    ready_url: str,
    log_path: Path | None = None,
    python: str = sys.executable,
) -> Iterator[None]:
    """Run a Python module as a process of its own until the block ends."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(log_path.open("wb")) if log_path else subprocess.DEVNULL
        process = subprocess.Popen([python, "-m", *arguments], cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_for(ready_url, process)
            yield
        except RuntimeError:
            if log_path:
                print(log_path.read_text(errors="replace")[-4_000:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def service() -> Iterator[str]:
    """The whole service on a free port; yields its address."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="plimsoll-load-") as directory:
        arguments = ["service", "serve", "--port", str(port), "--data-dir", f"{directory}/data"]
        url = f"http://127.0.0.1:{port}"
        with running(arguments, f"{url}/readyz", Path(directory) / "service.log"):
            yield url


@contextlib.contextmanager
def application(factory: str, ready_path: str, python: str = sys.executable) -> Iterator[str]:
    """An application by uvicorn alone on a free port; yields its address."""
    port = free_port()
    arguments = ["uvicorn", "--factory", factory, "--port", str(port)]
    arguments += ["--no-access-log", "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}"
    with running(arguments, f"{url}{ready_path}", python=python):
        yield url


@contextlib.contextmanager
def floor() -> Iterator[str]:
    with application("loadtests.floor:build_floor", "/empty") as url:
        yield url


@contextlib.contextmanager
def planted(url: str, delay_ms: float, error_share: float) -> Iterator[str]:
    """A proxy before `url` that makes it worse; yields its address.

    It holds each piece of an answer back by `delay_ms`, and refuses one write of so many that they
    are `error_share` of all.
    """
    proxy = _Proxy(int(url.rsplit(":", 1)[1]), delay_ms / 1_000, error_share)
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve()), name="planted")
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.port.result(READY_S)}"
    finally:
        proxy.stop()
        thread.join()


class _Proxy:
    """Bytes from one side to the other; of what is sent it knows where a POST or a PUT begins."""

    def __init__(self, target: int, delay_s: float, error_share: float) -> None:
        self.port: Future[int] = Future()
        self._target, self._delay_s = target, delay_s
        self._refused_every = round(1.0 / error_share) if error_share else 0
        self._asked = itertools.count(1)
        self._ended = asyncio.Event()

    async def serve(self) -> None:
        """Serve until it is stopped."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port.set_result(int(server.sockets[0].getsockname()[1]))
        await self._ended.wait()
        server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._ask(reader, ahead, writer), self._answer(behind, writer))
        finally:
            writer.close()
            ahead.close()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        ahead: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(2**16):
                if self._refuses(piece):
                    writer.write(_REFUSAL)
                    break  # the connection ends with it: nobody reads what is left of the body
                ahead.write(piece)
                await ahead.drain()
        ahead.close()

    def _refuses(self, piece: bytes) -> bool:
        writes = piece.startswith((b"POST ", b"PUT "))
        return bool(self._refused_every and writes) and next(self._asked) % self._refused_every == 0

    async def _answer(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await behind.read(2**16):
                await asyncio.sleep(self._delay_s)
                writer.write(piece)
                await writer.drain()
        writer.close()
