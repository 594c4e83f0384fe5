"""Where a feed's marks go: the service's own REST door, or straight into the market stream."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httpx
import msgspec
import orjson

from service.contract.problems import ItemResult
from service.errors import InvalidInput, StoreUnavailable
from service.feeds.tape import MarkDoc

RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
_LATER = (429, 503)


class _Answer(msgspec.Struct):
    """What an answer to a list has, whether or not anything of it was taken."""

    results: list[ItemResult]


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(slots=True)
class Tally:
    """What became of the marks sent so far; `refused` counts by code."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, codes: Sequence[str | None]) -> None:
        """Count one answer an item: None is an accepted mark, a text the code of its refusal."""
        self.accepted += sum(code is None for code in codes)
        self.refused.update(code for code in codes if code is not None)

    def __str__(self) -> str:
        refused = ", ".join(f"{count:,} {code}" for code, count in self.refused.most_common())
        return f"{self.accepted:,} marks taken" + (f", refused: {refused}" if refused else "")


class MarkSink(Protocol):
    """What a feed needs of whoever takes its marks: an answer an item; it waits out outages."""

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]: ...


class HttpSink:
    """Posts to `POST /v1/marks`, again when the answer was lost, until the service is back.

    A mark taken twice moves nobody: levels depend on the newest mark only. A key that has asked for
    too much waits, too.
    """

    def __init__(self, client: httpx.AsyncClient, give_up_after_s: float) -> None:
        self._client = client
        self._give_up_after_s = give_up_after_s

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
        """Return each mark's refusal code, None where it was accepted.

        Raises StoreUnavailable after `give_up_after_s` of outage.
        """
        body = orjson.dumps({"marks": list(marks)})

        async def post() -> list[str | None] | None:
            try:
                response = await self._client.post(
                    "/v1/marks", content=body, headers={"Content-Type": "application/json"}
                )
            except httpx.TransportError:
                return None
            return None if response.status_code in _LATER else _codes(response)

        return await _until_answered(post, self._give_up_after_s)


async def _until_answered(
    attempt: Callable[[], Awaitable[list[str | None] | None]], give_up_after_s: float
) -> list[str | None]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + give_up_after_s
    delay_s = RETRY_FIRST_S
    while (answer := await attempt()) is None:
        if loop.time() + delay_s > deadline:
            raise StoreUnavailable(f"nobody took the marks for {give_up_after_s:g} s")
        await asyncio.sleep(delay_s)
        delay_s = min(2.0 * delay_s, RETRY_MAX_S)
    return answer


def _codes(response: httpx.Response) -> list[str | None]:
    try:
        results = _ANSWER.decode(response.content).results
    except msgspec.DecodeError as error:
        said = f"POST /v1/marks answered {response.status_code}: {response.text[:200]}"
        raise InvalidInput(said) from error
    return [item.errors[0].code if item.errors else None for item in results]
