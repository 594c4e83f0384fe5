"""Health and counters: what a container's check, a load balancer and Prometheus see."""

import httpx
import pytest

from service.app import build_api
from service.store import client as store_client
from service.store.alert_log import AlertLog
from service.store.health import Roll
from tests.api.workers import SHARDS, settings_of

pytestmark = pytest.mark.anyio


async def test_without_redis_it_lives_but_is_not_ready(alone: httpx.AsyncClient) -> None:
    assert (await alone.get("/livez")).json()["status"] == "ok"
    response = await alone.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["Redis does not answer"]


async def test_it_is_ready_when_every_shard_is_owned_and_served(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    response = await worker.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "unavailable")
    assert response.json()["reasons"] == [f"{SHARDS} shards have no monitor"]
    async with store_client.connect(redis_url) as client:
        await AlertLog(client, SHARDS).acquire(range(1, SHARDS), 60_000)
        response = await worker.get("/readyz")
        assert response.json()["reasons"] == [
            "1 shards have no monitor",
            f"{SHARDS - 1} shards are being taken in",
        ]
        await AlertLog(client, SHARDS).acquire([0], 60_000)
        await Roll(client, "one").report(b'{"shards":[0,1]}')
        response = await worker.get("/readyz")
        assert response.json()["reasons"] == [f"{SHARDS - 2} shards are being taken in"]
        assert response.json()["monitors"] == {"one": [0, 1]}
        await Roll(client, "two").report(b'{"shards":[2,3],"taking":0}')
    response = await worker.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert response.json()["monitors"] == {"one": [0, 1], "two": [2, 3]}


async def test_requests_are_counted_by_route_not_by_name(worker: httpx.AsyncClient) -> None:
    for path in ("/v1/accounts/a1", "/v1/accounts/a2", "/nowhere/1", "/nowhere/2"):
        await worker.get(path)
    response = await worker.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    counted = (
        'plimsoll_requests_total{method="GET",route="/v1/accounts/{account_id}",status="404"} 2.0'
    )
    assert counted in lines
    assert 'plimsoll_requests_total{method="none",route="none",status="404"} 2.0' in lines
    assert "plimsoll_sockets 0.0" in lines
    assert not any("nowhere" in line for line in lines)


async def test_what_monitors_say_of_themselves_is_shown(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    async with store_client.connect(redis_url) as client:
        took = b'{"bounds":[0.5,1.0],"counts":[2,0,1],"sum":3.5}'
        figures = b'{"shards":[1,2],"marketId":7,"histograms":{"commit_seconds":%b}}' % took
        await Roll(client, "one").report(figures)
        await Roll(client, "two").report(b'{"shards":[],"marketId":9}')
    lines = (await worker.get("/metrics")).text.splitlines()
    assert 'plimsoll_monitor_shards{monitor="one"} 2.0' in lines
    assert 'plimsoll_shard_served{monitor="one",shard="2"} 1.0' in lines
    assert sum(line.startswith("plimsoll_shard_served{") for line in lines) == 2
    assert 'plimsoll_monitor_market_id{monitor="two"} 9.0' in lines
    commits = [line for line in lines if line.startswith("plimsoll_monitor_commit_seconds")]
    assert commits == [
        'plimsoll_monitor_commit_seconds_bucket{le="0.5",monitor="one"} 2.0',
        'plimsoll_monitor_commit_seconds_bucket{le="1.0",monitor="one"} 2.0',
        'plimsoll_monitor_commit_seconds_bucket{le="+Inf",monitor="one"} 3.0',
        'plimsoll_monitor_commit_seconds_count{monitor="one"} 3.0',
        'plimsoll_monitor_commit_seconds_sum{monitor="one"} 3.5',
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/accounts/", 404),
        ("GET", "/v1/accounts/a/b", 404),
        ("GET", "/v1/evaluate", 405),
        ("PUT", "/v1/evaluate", 405),
        ("DELETE", "/v1/marks", 405),
        ("PATCH", "/v1/accounts/a1", 405),
        ("POST", "/livez", 405),
        ("GET", "/v1/accounts:batch", 405),
    ],
)
async def test_wrong_paths_and_methods_are_problems(
    alone: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await alone.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    code = {404: "not_found", 405: "method_not_allowed"}[status]
    assert response.json()["code"] == code
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "pointer", "code"),
    [
        ("/v1/alerts?limit=abc", "?limit", "not_a_number"),
        ("/v1/alerts?limit=0", "?limit", "out_of_range"),
        ("/v1/alerts?limit=1001", "?limit", "out_of_range"),
        ("/v1/alerts?limit=-1", "?limit", "not_a_number"),
        ("/v1/alerts?limit=1e2", "?limit", "not_a_number"),
        ("/v1/alerts?limit=" + "9" * 400, "?limit", "not_a_number"),
        ("/v1/alerts?limit=%D9%A1", "?limit", "not_a_number"),
        ("/v1/alerts?limit=1&limit=2", "?limit", "repeated_parameter"),
        ("/v1/alerts?accountid=a1", "?", "unknown_parameter"),
        ("/v1/alerts?accountId=a%20b", "", "invalid_name"),
        ("/v1/alerts?since=" + "a" * 30_000, "?since", "invalid_length"),
        ("/v1/accounts?level=BAD", "?level", "invalid_value"),
        ("/v1/accounts?level=warning", "?level", "invalid_value"),
        ("/v1/accounts?level=", "?level", "invalid_value"),
        ("/v1/marks?venue=", "?venue", "invalid_value"),
        ("/v1/accounts?limit=x", "?limit", "not_a_number"),
        ("/v1/marks?venue=nasdaq", "?venue", "invalid_value"),
        ("/v1/marks?symbol=a&symbol=b", "?symbol", "repeated_parameter"),
        ("/v1/instruments?venue=%00", "?venue", "invalid_value"),
        ("/v1/accounts/a1/risk?x=1", "?", "unknown_parameter"),
    ],
)
async def test_query_parameters_are_read_strictly(
    worker: httpx.AsyncClient, path: str, pointer: str, code: str
) -> None:
    response = await worker.get(path)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


@pytest.mark.parametrize("path", ["/v1/alerts?since=", "/v1/accounts?cursor="])
@pytest.mark.parametrize("cursor", ["garbage", "AAAA", "%FF%FE", "W10", "WzEsMiwzXQ", "bnVsbA"])
async def test_a_cursor_we_did_not_give_is_refused(
    worker: httpx.AsyncClient, path: str, cursor: str
) -> None:
    response = await worker.get(path + cursor)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


async def test_the_documentation_is_open_to_all(alone: httpx.AsyncClient) -> None:
    assert (await alone.get("/docs")).status_code == 200
    assert (await alone.get("/openapi.json")).json()["info"]["title"] == "Plimsoll"


async def test_a_mistake_of_ours_is_a_problem_too(redis_url: str) -> None:
    app = build_api(settings_of(redis_url))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        response = await client.get("/broken")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
