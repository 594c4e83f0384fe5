"""An API worker over a real Valkey, one with keys in force, and one that has nobody."""

from collections.abc import AsyncIterator
from functools import cache

import httpx
import pytest
from fastapi import FastAPI

from service.app import build_api
from tests.api.guarded import Guarded, open_guarded
from tests.api.workers import documented_client, open_worker, settings_of


@pytest.fixture
async def worker(redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A worker over an empty server."""
    async with open_worker(settings_of(redis_url)) as client:
        yield client


@pytest.fixture
async def guarded(redis_url: str) -> AsyncIterator[Guarded]:
    """A worker with keys in force, over an empty server."""
    async with open_guarded(redis_url) as opened:
        yield opened


@cache
def never_started() -> FastAPI:
    """It has nothing that a test could leave behind, and to build one takes longer than to ask."""
    return build_api(settings_of("redis://127.0.0.1:1/0"))


@pytest.fixture
async def alone() -> AsyncIterator[httpx.AsyncClient]:
    """A worker that was never started: it has no store and no picture of the markets."""
    transport = httpx.ASGITransport(never_started(), raise_app_exceptions=False)
    async with documented_client(transport) as client:
        yield client
