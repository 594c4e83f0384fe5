"""A worker over an empty store, and its log's writer; on the event loop of the service."""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Worker, open_worker


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def nothing_unhandled(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, no exception of ours may end in the log."""
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    async with open_worker(redis_url) as opened:
        yield opened


@pytest.fixture
def writer(worker: Worker) -> LogWriter:
    return LogWriter(worker.log, SHARDS)
