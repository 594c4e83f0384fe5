"""The processes of a run: the service, the floor beside it, a proxy that plants a delay."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

READY_S = 60.0
STOP_S = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
def running(arguments: list[str], ready_url: str, log_path: Path | None = None) -> Iterator[None]:
    """Run a Python module as a process of its own until the block ends."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(log_path.open("wb")) if log_path else subprocess.DEVNULL
        process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=log, stderr=log)
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
def floor() -> Iterator[str]:
    port = free_port()
    arguments = ["uvicorn", "--factory", "loadtests.floor:build_floor", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running([*arguments, "--no-access-log", "--log-level", "warning"], f"{url}/empty"):
        yield url


@contextlib.contextmanager
def delayed(url: str, delay_ms: float) -> Iterator[str]:
    """A proxy before `url` that delays each piece of an answer; yields its address."""
    port, target = free_port(), int(url.rsplit(":", 1)[1])
    loop = asyncio.new_event_loop()

    async def pump(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(2**16):
                await asyncio.sleep(delay_s)
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, ahead, 0.0), pump(behind, writer, delay_ms / 1_000))

    async def listen() -> None:
        await asyncio.start_server(serve, "127.0.0.1", port)
        started.set()

    started = threading.Event()
    thread = threading.Thread(target=loop.run_forever, name="delay", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(listen(), loop).result(READY_S)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
