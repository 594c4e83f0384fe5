"""A worker with keys in force, and every call there is, with the scopes that it needs."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from service.store.alert_log import AlertLog
from service.store.api_keys import ApiKeys, Scope
from service.store.client import connect
from tests.api.workers import SHARDS, account, instrument, long, open_worker, settings_of

BOOTSTRAP = "b" * 32
HOLDER = account(long())
ANY_KEY: tuple[Scope, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call, the scopes that it needs, and its body."""

    method: str
    path: str
    scopes: tuple[Scope, ...]
    body: Any = None


READS: tuple[Scope, ...] = ("alerts:read",)
DIRECTS: tuple[Scope, ...] = ("accounts:write", "alerts:read")  # where alerts are sent
CALLS = [
    Call("POST", "/v1/evaluate", ("evaluate",), {"accounts": [HOLDER | {"id": "a1"}]}),
    Call(
        "POST",
        "/v1/size",
        ("evaluate",),
        {
            "symbol": "BTC/USDT:USDT",
            "side": "long",
            "entryPrice": 60_000,
            "stopPrice": 59_000,
            "budget": 100,
            "capital": 1_000,
            "instruments": [instrument()],
        },
    ),
    Call(
        "POST",
        "/v1/evaluate:ccxt",
        ("evaluate",),
        {
            "venue": "binance",
            "positions": [],
            "balance": {"info": {"assets": [{"asset": "USDT", "crossWalletBalance": "1"}]}},
        },
    ),
    Call(
        "POST",
        "/v1/simulate",
        ("evaluate",),
        {"accounts": [HOLDER | {"id": "a1"}], "scenarios": [{"shocks": {"allPct": -10}}]},
    ),
    Call("PUT", "/v1/instruments", ("admin",), [instrument()]),
    Call("GET", "/v1/instruments", ANY_KEY),
    Call(
        "POST",
        "/v1/marks",
        ("marks:write",),
        {"marks": [{"symbol": "BTC/USDT:USDT", "markPrice": 60_000}]},
    ),
    Call("GET", "/v1/marks", ANY_KEY),
    Call("GET", "/v1/markets", ANY_KEY),
    Call("PUT", "/v1/accounts/a1", ("accounts:write",), HOLDER),
    Call("GET", "/v1/accounts/a1", ("accounts:read",)),
    Call("DELETE", "/v1/accounts/a1", ("accounts:write",)),
    Call("POST", "/v1/accounts:batch", ("accounts:write",), [HOLDER | {"id": "a1"}]),
    Call(
        "POST",
        "/v1/accounts/a1/adjust",
        ("accounts:write",),
        {"asset": "USDT", "delta": 1, "reason": "fee"},
    ),
    Call("GET", "/v1/accounts/a1/risk", ("accounts:read",)),
    Call("GET", "/v1/accounts/a1/health", ("accounts:read",)),
    Call("GET", "/v1/accounts?limit=none", ("accounts:read",)),  # refused after the door, at once
    Call("GET", "/v1/alerts", READS),
    Call("GET", "/v1/alerts?accountId=a1", READS),
    Call("POST", "/v1/alerts/a1-1/ack", READS),
    Call("GET", "/v1/alerts/a1-1/explain", ("alerts:read", "accounts:read")),
    Call("GET", "/v1/alerts/stream?levels=none", READS),  # refused after the door, at once
    Call("PUT", "/v1/webhooks/w1", DIRECTS, {"url": "https://example.com/in"}),
    Call("GET", "/v1/webhooks", READS),
    Call("GET", "/v1/webhooks/w1", READS),
    Call("DELETE", "/v1/webhooks/w1", DIRECTS),
    Call("POST", "/v1/webhooks/w1/secret", DIRECTS),
    Call("GET", "/v1/webhooks/w1/dead-letters", READS),
    Call("POST", "/v1/webhooks/w1/dead-letters:replay", DIRECTS),
    Call("PUT", "/v1/targets/t1", DIRECTS, {"url": "jsons://example.com/in"}),
    Call("GET", "/v1/targets", READS),
    Call("GET", "/v1/targets/t1", READS),
    Call("POST", "/v1/targets/t1/test", DIRECTS),
    Call("GET", "/v1/targets/t1/dead-letters", READS),
    Call("POST", "/v1/targets/t1/dead-letters:replay", DIRECTS),
    Call("DELETE", "/v1/targets/t1", DIRECTS),
    Call("POST", "/v1/silences", DIRECTS, {"until": 4_000_000_000_000}),
    Call("GET", "/v1/silences", READS),
    Call("DELETE", "/v1/silences/0123456789abcdef", DIRECTS),
    Call("GET", "/v1/adl/BTC/USDT:USDT?side=none", ("accounts:read",)),  # refused after the door
    Call("PUT", "/v1/funds/binance/USDT", ("admin",), {"balance": 1_000.0}),
    Call("GET", "/v1/funds", ("admin",)),
    Call("GET", "/v1/funds/binance/USDT", ("admin",)),
    Call("PUT", "/v1/log-level", ("admin",), {"level": None}),
    Call("GET", "/v1/log-level", ("admin",)),
    Call("GET", "/metrics", ("admin",)),
]
PURE = ("/v1/evaluate", "/v1/evaluate:ccxt", "/v1/simulate", "/v1/size")  # they write nothing
WRITES = [call for call in CALLS if call.method != "GET" and call.path not in PURE]


@dataclass
class Guarded:
    """A worker with keys in force, and where its keys are made."""

    http: httpx.AsyncClient
    keys: ApiKeys
    log: AlertLog

    async def token(
        self, *scopes: Scope, tenant: str = "desk-a", expires_ms: int | None = None
    ) -> str:
        made_ms = now_ms() if expires_ms is None else min(now_ms(), expires_ms - 1)
        _, token = await self.keys.create("bot", tenant, scopes, made_ms, expires_ms)
        return token

    async def send(self, call: Call, token: str | None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.request(call.method, call.path, json=call.body, headers=headers)


@asynccontextmanager
async def open_guarded(redis_url: str, **more: Any) -> AsyncIterator[Guarded]:
    """Run a worker with keys in force."""
    settings = settings_of(
        redis_url, require_keys=True, bootstrap_key=BOOTSTRAP, **{"targets": True} | more
    )
    async with open_worker(settings) as http, connect(redis_url) as client:
        yield Guarded(http, ApiKeys(client), AlertLog(client, SHARDS))


def now_ms() -> int:
    return int(time.time() * 1_000)
