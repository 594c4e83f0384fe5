"""Brings the demo's contracts, prices and accounts into a service, by everybody's calls."""

from collections.abc import AsyncIterator, Sequence

import httpx
import orjson

from service.demo.markets import Document, instruments
from service.errors import InvalidInput
from service.feeds.sinks import HttpSink
from service.feeds.synthetic import SyntheticMarket

ACCOUNTS_A_CALL = 100


async def load_market(client: httpx.AsyncClient, market: SyntheticMarket) -> int:
    """Put the contracts and a first mark of each; return how many contracts there are."""
    contracts = instruments()
    await _send(client, "PUT", "/v1/instruments", contracts)
    refusals = await HttpSink(client, give_up_after_s=30.0).send(market.marks())
    if any(refusals):
        raise InvalidInput(f"the service refused the first marks: {next(filter(None, refusals))}")
    return len(contracts)


async def load_accounts(
    client: httpx.AsyncClient, accounts: Sequence[Document]
) -> AsyncIterator[int]:
    """Upsert the accounts batch by batch; yields how many are in."""
    for start in range(0, len(accounts), ACCOUNTS_A_CALL):
        chunk = accounts[start : start + ACCOUNTS_A_CALL]
        await _send(client, "POST", "/v1/accounts:batch", list(chunk))
        yield start + len(chunk)


async def _send(
    client: httpx.AsyncClient, method: str, path: str, items: Sequence[Document]
) -> None:
    response = await client.request(
        method, path, content=orjson.dumps(items), headers={"Content-Type": "application/json"}
    )
    answer = orjson.loads(response.content)
    if not response.is_success:
        raise InvalidInput(f"{method} {path} answered {response.status_code}: {answer['detail']}")
    refused = [item for item in answer["results"] if item["status"] == "refused"]
    if refused:
        raise InvalidInput(f"{method} {path} refused an item: {refused[0]}")
