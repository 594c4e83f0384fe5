"""Calls that are refused for now: made again when the service says so, where that is safe."""

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from plimsoll import AsyncClient, Client, Problem, TooManyRequests, Unavailable, Unreachable
from plimsoll import repeats as repeats_room

Ask = Callable[..., Any]
GOOD: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "get_account": (("a1",), {}),
    "put_account": (("a1", {}), {}),
    "put_instruments": (([],), {}),
    "post_marks": (([],), {}),
    "adjust_account": (("a1", "USDT", -1, "fee"), {}),
    "list_accounts": (("WARNING",), {}),
}
DELICATE: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "put_account": (("a1", {}), {"if_version": 3}),
    "delete_account": (("a1",), {}),
}
ANSWERS: dict[str, Any] = {
    "get_account": {},
    "put_account": {"id": "a1", "version": 1},
    "put_instruments": {"accepted": 0, "refused": 0, "results": []},
    "post_marks": {"accepted": 0, "refused": 0, "results": []},
    "adjust_account": {"id": "a1", "version": 1, "asset": "USDT", "amount": 1},
    "list_accounts": {"accounts": [], "cursor": None, "counts": None},
}


class Service:
    """Answers calls with these statuses in turn, then well; remembers what it was sent."""

    def __init__(self, answer: object, *statuses: int, retry_after: str | None = "0") -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self._statuses = list(statuses)
        self._headers = {} if retry_after is None else {"retry-after": retry_after}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self._statuses:
            return httpx.Response(200, json=self._answer)
        status = self._statuses.pop(0)
        if not status:
            raise httpx.ReadError("gone")
        problem = {"type": "t", "title": "T", "status": status, "code": "c", "detail": "d"}
        return httpx.Response(status, json=problem, headers=self._headers)


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Calls a method of a client of a service."""
    monkeypatch.setattr(repeats_room, "DELAY_LEAST_S", 0.001)
    url = "http://service"

    def synchronous(service: Service, name: str, *arguments: Any, **named: Any) -> Any:
        with Client(retry_for_s=named.pop("retry_for_s", 5.0)) as client:
            client._http.close()
            client._http = httpx.Client(transport=httpx.MockTransport(service), base_url=url)
            return getattr(client, name)(*arguments, **named)

    def awaited(service: Service, name: str, *arguments: Any, **named: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient(retry_for_s=named.pop("retry_for_s", 5.0)) as client:
                await client._http.aclose()
                transport = httpx.MockTransport(service)
                client._http = httpx.AsyncClient(transport=transport, base_url=url)
                answer = getattr(client, name)(*arguments, **named)
                assert inspect.isawaitable(answer)
                return await answer

        return asyncio.run(call())

    return synchronous if request.param == "sync" else awaited


def keys_of(requests: Sequence[httpx.Request]) -> set[str | None]:
    return {request.headers.get("idempotency-key") for request in requests}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_safe_is_made_again_as_it_was(ask: Ask, name: str) -> None:
    arguments, named = GOOD[name]
    service = Service(ANSWERS[name], 503, 429)
    ask(service, name, *arguments, **named)
    assert len(service.requests) == 3
    assert len({(one.method, str(one.url), one.content) for one in service.requests}) == 1
    keys = keys_of(service.requests)
    assert len(keys) == 1
    assert (keys == {None}) == (name not in {"post_marks", "adjust_account"})


@pytest.mark.parametrize("name", DELICATE)
def test_what_is_not_safe_is_made_again_only_when_nothing_was_done(ask: Ask, name: str) -> None:
    arguments, named = DELICATE[name]
    service = Service({"id": "a1", "version": 4}, 503)
    with pytest.raises(Unavailable):
        ask(service, name, *arguments, **named)
    assert len(service.requests) == 1
    service = Service({"id": "a1", "version": 4}, 429)
    ask(service, name, *arguments, **named)
    assert len(service.requests) == 2


def test_lines_are_never_made_again(ask: Ask) -> None:
    service = Service({}, 429)
    with pytest.raises(TooManyRequests):
        ask(service, "put_accounts", [{"id": "a"}])
    assert len(service.requests) == 1


def test_a_call_that_is_still_being_carried_out_is_asked_for_again(ask: Ask) -> None:
    service = Service(ANSWERS["adjust_account"], 409, 409)
    assert ask(service, "adjust_account", "a1", "USDT", -1, "fee").amount == 1
    assert len(keys_of(service.requests)) == 1


def test_each_call_has_a_key_of_its_own_or_its_callers(ask: Ask) -> None:
    service = Service(ANSWERS["adjust_account"])
    for _ in range(2):
        ask(service, "adjust_account", "a1", "USDT", -1, "fee")
    assert len(keys_of(service.requests)) == 2
    service = Service(ANSWERS["adjust_account"], 0)
    for expected in (Unreachable, None):
        if expected:
            with pytest.raises(expected):
                ask(service, "adjust_account", "a1", "USDT", -1, "fee", idempotency_key="mine")
        else:
            ask(service, "adjust_account", "a1", "USDT", -1, "fee", idempotency_key="mine")
    assert keys_of(service.requests) == {'"mine"'}
    assert json.loads(service.requests[0].content)["delta"] == -1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 413, 422, 500, 502])
def test_what_time_does_not_mend_is_not_made_again(ask: Ask, status: int) -> None:
    service = Service({}, status)
    with pytest.raises(Problem):
        ask(service, "get_account", "a1")
    assert len(service.requests) == 1


def test_without_a_time_or_beyond_patience_it_is_not_made_again(ask: Ask) -> None:
    for more in (
        {"retry_after": None},
        {"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        {"retry_after": "6"},
    ):
        service = Service({}, 429, **more)
        with pytest.raises(TooManyRequests):
            ask(service, "get_account", "a1")
        assert len(service.requests) == 1
    service = Service({}, 429)
    with pytest.raises(TooManyRequests):
        ask(service, "get_account", "a1", retry_for_s=0.0)
    assert len(service.requests) == 1


def test_patience_is_for_all_repeats_together(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_room, "DELAY_LEAST_S", 0.1)
    service = Service({}, *[503] * 100)
    began_s = time.monotonic()
    with pytest.raises(Unavailable):
        ask(service, "get_account", "a1", retry_for_s=0.35)
    assert 3 <= len(service.requests) <= 4
    assert 0.2 <= time.monotonic() - began_s < 5.0
