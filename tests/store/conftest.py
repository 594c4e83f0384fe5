"""The store over a plain server and over a cluster of three masters."""

from collections.abc import AsyncIterator

import pytest

from tests.store.stores import Store, open_store
from tests.valkey_cluster import AnyServer


@pytest.fixture(params=["shared_server", "shared_cluster"], ids=["plain", "cluster"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty store."""
    server: AnyServer = request.getfixturevalue(request.param)
    server.flush()
    async with open_store(server.url) as opened:
        yield opened
