"""A world over an empty store, and inboxes."""

from collections.abc import AsyncIterator

import pytest

from tests.targets.inboxes import JsonInbox, MailInbox, opened
from tests.targets.world import World, open_world


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with open_world(redis_url) as made:
        yield made


@pytest.fixture
async def inbox() -> AsyncIterator[JsonInbox]:
    inbox = JsonInbox()
    async with opened(inbox):
        yield inbox


@pytest.fixture
async def mails() -> AsyncIterator[MailInbox]:
    mails = MailInbox()
    async with opened(mails):
        yield mails
