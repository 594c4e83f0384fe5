"""What ccxt's real classes return of the recorded venues, and what the service answers to it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import orjson

from service.app import build_api
from service.settings import Settings
from service.sync.configured import SyncedAccount
from service.sync.exchange import Exchange
from service.unified.records import Terms
from tests.sync.mock_rest import fixture, serving

# What each class wants before it asks for what is an account's own.
KEYS = {"apiKey": "k", "secret": "s", "password": "p", "walletAddress": "0x" + "1" * 40}


def synced(name: str, url: str, **more: Any) -> SyncedAccount:
    """Return an account of a recorded venue that answers at `url`."""
    terms = {"venue": fixture(name)["venue"], "every_s": 30.0, "websocket": False}
    terms |= {"stream_url": None} | more
    return SyncedAccount(
        account_id=name,
        exchange=name,
        terms=Terms(),
        settles=(),
        url=url,
        keys=KEYS,
        **terms,
    )


@dataclass(frozen=True)
class Objects:
    """Of one account, as ccxt returned it; `tiers` None: ccxt has no call for them."""

    positions: list[Any]
    balance: dict[str, Any]
    tiers: dict[str, Any] | None


async def objects_of(name: str) -> Objects:
    """Ask a recorded venue by ccxt's class of it."""
    with serving(fixture(name)["answers"]) as venue:
        async with Exchange(synced(name, venue.url)) as exchange:
            exchange.ccxt.enableRateLimit = False  # nobody is waiting behind us on loopback
            found = await exchange.snapshot()
            tiers = await tiers_of(exchange, [str(row["symbol"]) for row in found.positions])
    return Objects([dict(row) for row in found.positions], dict(found.balance), tiers)


async def tiers_of(exchange: Exchange, symbols: list[str]) -> dict[str, Any] | None:
    """Ask for tier tables in the way that ccxt has for the venue."""
    asked = exchange.ccxt
    if asked.has.get("fetchMarketLeverageTiers") is True:
        return {symbol: await asked.fetch_market_leverage_tiers(symbol) for symbol in symbols}
    if asked.has.get("fetchLeverageTiers"):
        return {**await asked.fetch_leverage_tiers(symbols)}
    return None


@cache
def application() -> Any:
    """A service that keeps nothing; one for all tests of a process."""
    return build_api(Settings.model_validate({}))


async def post(path: str, body: object) -> httpx.Response:
    """Post to the service in this process."""
    inside = httpx.ASGITransport(app=application())
    async with httpx.AsyncClient(transport=inside, base_url="http://service") as client:
        headers = {"Content-Type": "application/json"}
        return await client.post(path, content=orjson.dumps(body), headers=headers)


def request_of(name: str, found: Objects) -> dict[str, Any]:
    """The body of `POST /v1/evaluate:ccxt`: the objects, unchanged."""
    body = {"venue": fixture(name)["venue"], "positions": found.positions}
    if found.tiers is not None:
        body["leverageTiers"] = found.tiers
    return body | {"balance": found.balance}
