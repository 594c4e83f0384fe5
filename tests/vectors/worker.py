"""An API worker that was never started, asked without a socket: evaluate needs no store."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from service.app import build_api
from service.settings import Settings
from tests.vectors.asking import Ask

NOWHERE = "redis://127.0.0.1:1/0"


def evaluate_by_api() -> Ask:
    """Return a function that posts a body and returns the answer; any problem is an error."""
    app = build_api(Settings.model_validate({"redis_url": NOWHERE}))

    async def post(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            response = await client.post("/v1/evaluate", json=asked)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert not answer["problems"], answer["problems"]
        return answer

    return lambda asked: asyncio.run(post(asked))
