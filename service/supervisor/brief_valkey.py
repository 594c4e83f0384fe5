"""A Valkey over a data directory for a while, without the service: to look into what is there."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from service.store import embedded
from service.supervisor import resources
from service.supervisor.children import StartError
from service.supervisor.serve import answers
from service.supervisor.tether import die_with_parent

LAST_WORDS_BYTES = 2_000
STOP_WITHIN_S = 60.0  # it writes down nothing new when it ends, but may have much to give back


@contextlib.asynccontextmanager
async def brief_valkey(data_dir: Path) -> AsyncIterator[str]:
    """Yield the URL of a server over `data_dir`, which is ours alone meanwhile.

    Raises StartError when somebody else has the directory, or when the server cannot read it.
    """
    held = await resources.lock(data_dir)
    socket_file = embedded.socket_path(data_dir)
    try:
        process = await asyncio.create_subprocess_exec(
            *embedded.command(embedded.find_binary(), data_dir, socket_file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(held,),
            process_group=0,
            preexec_fn=die_with_parent(os.getpid()),
        )
        try:
            await _answering(process, socket_file)
            yield f"unix://{socket_file}"
        finally:
            await _stopped(process)
    finally:
        os.close(held)


async def _answering(process: asyncio.subprocess.Process, socket_file: Path) -> None:
    """Return once the server answers; StartError with its last words when it ends instead."""
    assert process.stdout is not None
    saying = asyncio.create_task(process.stdout.read(), name="what Valkey says")
    asking = asyncio.create_task(answers(socket_file), name="wait for Valkey")
    try:
        await asyncio.wait((saying, asking), return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            said = saying.result()[-LAST_WORDS_BYTES:].decode(errors="replace")
            raise StartError(f"Valkey does not start over this data; its last words:\n{said}")
    finally:
        asking.cancel()
        saying.cancel()


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """End the server so that all it holds is on disk."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
