"""A world over an empty store, and a receiver."""

from collections.abc import AsyncIterator

import pytest

from tests.webhooks.receiver import Receiver, open_receiver
from tests.webhooks.world import World, open_world


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with open_world(redis_url) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened
