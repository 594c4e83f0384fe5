"""A worker over an empty store, and the writer of its log."""

from collections.abc import AsyncIterator

import pytest

from tests.push.log_writer import LogWriter
from tests.push.stream import SHARDS, Worker, open_worker


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[Worker]:
    async with open_worker(redis_url) as opened:
        yield opened


@pytest.fixture
def writer(worker: Worker) -> LogWriter:
    return LogWriter(worker.log, SHARDS)
