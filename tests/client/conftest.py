"""The stream's worker and its log's writer, and a whole service for the calls."""

from collections.abc import Iterator

import pytest

from tests.e2e.running_service import RunningService
from tests.push.conftest import anyio_backend, nothing_unhandled, worker, writer

__all__ = ["anyio_backend", "nothing_unhandled", "worker", "writer"]


ACCOUNTS_MAX = 200  # in a call


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Shared: every test has accounts and symbols of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLIMSOLL_ACCOUNTS_MAX", str(ACCOUNTS_MAX))
        running = RunningService(tmp_path_factory.mktemp("service"))
    yield running
    running.process.terminate()
    running.ended(20.0)
