"""API workers asked without a socket, and what the tests say to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.api.fellows import Fellows
from service.app import build_api
from service.settings import Settings
from tests.api.documented import check_documented

SHARDS = 4
# Limits of a health check, all out of reach: a test sets the one it is about.
LENIENT: dict[str, Any] = {
    "leverageMax": 1e9,
    "positionShareMax": 1e9,
    "concentrationMax": 1,
    "stops": "optional",
    "budgetShare": 1e9,
    "boundFactorMax": 1e9,
    "bufferDeviationsMin": 0,
    "fundingHoursMin": 0,
    "markAgeMaxMs": 1e12,
}


def documented_client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    """Return a client that fails when it is answered what the OpenAPI document does not say."""
    hooks = {"response": [check_documented]}
    return httpx.AsyncClient(transport=transport, base_url="http://worker", event_hooks=hooks)


@asynccontextmanager
async def open_worker(
    settings: Settings, fellows: Fellows | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a worker's lifespan and yield a client of it."""
    app = build_api(settings, fellows)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        documented_client(transport) as client,
    ):
        yield client


def settings_of(redis_url: str, **more: Any) -> Settings:
    """Return settings that no variable of the environment moves."""
    return Settings.model_validate({"redis_url": redis_url, "shards": SHARDS} | more)


def instrument(symbol: str = "BTC/USDT:USDT", **more: Any) -> dict[str, Any]:
    """Return an instrument in two tiers."""
    base, _, rest = symbol.partition("/")
    quote, _, settle = rest.partition(":")
    tiers = [
        {"minNotional": 0, "maxNotional": 50_000, "maintenanceMarginRate": 0.004},
        {"minNotional": 50_000, "maintenanceMarginRate": 0.005},
    ]
    names = {"symbol": symbol, "base": base, "quote": quote, "settle": settle or quote}
    return names | {"linear": True, "contractSize": 1, "tiers": tiers} | more


def one_tier(symbol: str = "BTC/USDT:USDT", **more: Any) -> dict[str, Any]:
    """Return an instrument that requires 1 % of any notional."""
    return instrument(symbol, tiers=[{"minNotional": 0, "maintenanceMarginRate": 0.01}], **more)


def long(symbol: str = "BTC/USDT:USDT", **more: Any) -> dict[str, Any]:
    """Return a long position of one contract, entered at 60,000."""
    return {"symbol": symbol, "side": "long", "contracts": 1, "entryPrice": 60_000} | more


def account(*positions: dict[str, Any], usdt: float = 10_000, **more: Any) -> dict[str, Any]:
    """Return an account with some USDT."""
    balances = [{"asset": "USDT", "amount": usdt}]
    return {"balances": balances, "positions": list(positions)} | more


def errors_of(response: httpx.Response) -> list[tuple[str, str]]:
    """Return (pointer, code) of a problem, after checking that it is one."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:plimsoll:problem:{problem['code']}"
    return [(error["pointer"], error["code"]) for error in problem.get("errors", [])]
