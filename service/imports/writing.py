"""Instruments of a running service, by its own calls: read, and written in chunks."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import NoReturn, TypeVar

import httpx
import msgspec

from service.contract.instruments import InstrumentDocument
from service.contract.problems import ItemResult, Problem
from service.contract.results import BatchResult, InstrumentsView
from service.errors import InvalidInput, StoreUnavailable

ITEMS_A_CALL = 500
TRIES = 6
_PAUSE_S = 1.0  # where the service names none
_PAUSE_MAX_S = 30.0
_ADDRESS = "/v1/instruments"
_AGAIN = (429, 503)

Answer = TypeVar("Answer")


async def stored_instruments(
    client: httpx.AsyncClient, venue: str | None = None, symbol: str | None = None
) -> list[InstrumentDocument]:
    """Return what is stored, of one venue or symbol where that is given."""
    asked = {
        name: value for name, value in (("venue", venue), ("symbol", symbol)) if value is not None
    }
    response = await _answered(client, "GET", b"", params=asked)
    return _decoded(response, InstrumentsView).instruments


async def write_instruments(
    client: httpx.AsyncClient, documents: Sequence[InstrumentDocument]
) -> AsyncIterator[tuple[InstrumentDocument, ItemResult]]:
    """Write them chunk by chunk; yields each with what became of it.

    Raises where the service does not answer or refuses a whole chunk: the chunks before are in.
    """
    for start in range(0, len(documents), ITEMS_A_CALL):
        chunk = documents[start : start + ITEMS_A_CALL]
        response = await _answered(client, "PUT", msgspec.json.encode(chunk))
        for result in _results(response):
            yield chunk[result.index], result


async def _answered(
    client: httpx.AsyncClient, method: str, body: bytes, params: dict[str, str] | None = None
) -> httpx.Response:
    """Return an answer. Of a service that is busy, or away for a moment, it is asked for again.

    One key makes all tries one write.
    """
    headers = {"Content-Type": "application/json"}
    if method == "PUT":
        headers["Idempotency-Key"] = uuid.uuid4().hex
    for tried in range(1, TRIES + 1):
        try:
            response = await client.request(
                method, _ADDRESS, content=body, params=params, headers=headers
            )
        except httpx.TransportError as error:
            raise StoreUnavailable(f"no service answers at {client.base_url}: {error}") from None
        if response.status_code not in _AGAIN or tried == TRIES:
            break
        await asyncio.sleep(_pause_s(response))
    return response


def _pause_s(response: httpx.Response) -> float:
    """Return how long the service wants to be left alone."""
    said = response.headers.get("retry-after", "")
    return min(float(said), _PAUSE_MAX_S) if said.isdigit() else _PAUSE_S


def _results(response: httpx.Response) -> list[ItemResult]:
    """Return the results by item; a list of which nothing was taken has them in its problem."""
    if response.is_success:
        return _decoded(response, BatchResult).results
    return _problem(response).results or _refused(response)


def _decoded(response: httpx.Response, kind: type[Answer]) -> Answer:
    if not response.is_success:
        _refused(response)
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError:
        raise InvalidInput(f"{response.url} answers what this service does not") from None


def _problem(response: httpx.Response) -> Problem:
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        raise InvalidInput(f"{response.url} answered {response.status_code}") from None


def _refused(response: httpx.Response) -> NoReturn:
    problem = _problem(response)
    raise InvalidInput(
        f"{response.request.method} {_ADDRESS} answered {response.status_code} {problem.code}: "
        f"{problem.detail}"
    )
