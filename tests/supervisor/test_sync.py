"""The process that keeps accounts: over a kill, without a secret anywhere; and what it checks."""

import asyncio
import contextlib
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from service.app import build_api
from service.cli import cli
from service.settings import Settings
from service.store.client import Client, connect
from service.supervisor.serve import _parts
from service.supervisor.sync import run_sync
from tests.api.workers import instrument, settings_of
from tests.part_process import part_process
from tests.sync.mock_rest import MockRest, fixture, serving

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")
pytestmark = pytest.mark.anyio

SECRETS = ("k3y-of-mine", "s3cret-of-mine", "t0ken-of-mine-that-is-long")
DOGE = "DOGE/USDT:USDT"
RISK = "/fapi/v3/positionRisk"
RIGHTS = "/sapi/v1/account/apiRestrictions"
LATE = "sync: 1 of 1 accounts late at binanceusdm:"
ACCOUNT = """
[[accounts]]
id = "desk-7"
exchange = "binanceusdm"
every_s = 1
websocket = false
api_key_env = "TEST_VENUE_KEY"
secret_file = "{secret}"
url = "{url}"
"""


@pytest.fixture
def venue() -> Iterator[MockRest]:
    answers = fixture("binanceusdm")["answers"]
    clock = {"/fapi/v1/time": lambda: {"serverTime": int(time.time() * 1_000)}}
    with serving(answers | clock) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path, venue: MockRest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_VENUE_KEY", SECRETS[0])
    monkeypatch.setenv("PLIMSOLL_TOKEN", SECRETS[2])
    (tmp_path / "secret").write_text(SECRETS[1])
    written = tmp_path / "sync.toml"
    written.write_text(ACCOUNT.format(secret=tmp_path / "secret", url=venue.url))
    return written


@contextlib.asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Run an API worker that a process can reach."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(build_api(settings), lifespan="on", log_level="error")
    server = uvicorn.Server(config)
    work = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {SECRETS[2]}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await work


def process(
    redis_url: str, url: str, file: Path
) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    given = {"redis_url": redis_url, "sync_file": str(file), "sync_url": url}
    return part_process("sync", log_level="debug", **given)


async def until(true: Callable[[], Any]) -> Any:
    """Ask again and again until it is so."""
    async with asyncio.timeout(30.0):
        while not (found := await true()):  # noqa: ASYNC110 - what is polled has no event
            await asyncio.sleep(0.05)
    return found


async def test_an_account_is_kept_over_a_kill_and_no_secret_is_left_behind(
    redis_url: str, venue: MockRest, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = settings_of(redis_url, sync_file=str(file), bootstrap_key=SECRETS[2])
    async with worker(settings) as client, connect(redis_url) as store:
        listed = [instrument(DOGE, venue="binance")]
        assert (await client.put("/v1/instruments", json=listed)).is_success

        async def account() -> Any:
            answer = await client.get("/v1/accounts/desk-7")
            return answer.json() if answer.is_success else None

        async def in_metrics() -> Any:
            kept = r'plimsoll_sync_accounts\{exchange="binanceusdm",.*state="kept"\} 1.0'
            return re.search(kept, (await client.get("/metrics")).text)

        url = str(client.base_url)
        async with process(redis_url, url, file) as first:
            told = await until(account)
            assert told["balances"] == [{"asset": "USDT", "amount": 20.0}]
            assert told["positions"][0]["margin"] == 0.88304001
            await until(in_metrics)
            first.kill()
            assert first.stderr is not None
            said = (await first.stderr.read()).decode()
        row = venue.answers[RISK][0]
        venue.answers[RISK] = [row | {"positionAmt": "-40"}]

        async def caught_up() -> bool:
            return bool((await account())["positions"][0]["contracts"] == 40.0)

        again = settings.model_copy(update={"sync_url": url})
        second = asyncio.create_task(run_sync(again))
        await until(caught_up)
        second.cancel()
        await asyncio.wait([second])
        assert "keeping desk-7" in said
        kept = await everything(store)
        assert b'"venue":"binance"' in kept
        for secret in SECRETS:
            assert secret not in said + caplog.text
            assert secret.encode() not in kept


async def everything(store: Client) -> bytes:
    """Return all that the store holds, as it is written."""
    await store.call("CONFIG", "SET", "rdbcompression", "no")
    names = await store.call("KEYS", "*")
    return b"\n".join([await store.call("DUMP", name) for name in names])


def test_a_check_says_what_each_venue_says_and_writes_nothing(venue: MockRest, file: Path) -> None:
    good = CliRunner().invoke(cli, ["sync", str(file), "--check"])
    assert good.exit_code == 0, good.output
    assert re.search(r"desk-7\s+binanceusdm\s+1\s+[+-]\d+ ms\s+reads", good.output)
    venue.answers[RIGHTS] = venue.answers[RIGHTS] | {"enableFutures": True}
    much = CliRunner().invoke(cli, ["sync", str(file), "--check"])
    assert (much.exit_code, "may trade" in much.output) == (1, True)
    venue.refuse["/fapi/v3/account"] = 401
    refused = CliRunner().invoke(cli, ["sync", str(file), "--check"])
    assert refused.exit_code == 1
    for output in (good.output, much.output, refused.output):
        assert not any(secret in output for secret in SECRETS)


def test_a_file_that_cannot_be_read_ends_what_needs_it_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[[accounts]]\nid = 'x'\nexchange = 'nasdaq'")
    monkeypatch.setenv("PLIMSOLL_SYNC_FILE", str(file))
    for command in (["sync"], ["serve", "--port", "0", "--data-dir", str(tmp_path)]):
        ended = CliRunner().invoke(cli, command)
        assert ended.exit_code == 1
        assert "exchange is one of" in ended.output


async def test_without_a_file_there_is_nothing_to_keep() -> None:
    with pytest.raises(Exception, match="PLIMSOLL_SYNC_FILE"):
        await run_sync(Settings.model_validate({}))


def test_a_service_runs_a_process_for_it_and_one_for_each_feed_by_ccxt() -> None:
    given = {"sync_file": "sync.toml", "feeds": "okx,ccxt:gate,bybit,ccxt:mexc"}
    parts = {part.name: part for part in _parts(Settings.model_validate(given), 1)}
    assert {"sync", "feeds", "gate", "mexc"} <= parts.keys()
    assert parts["sync"].argv[-2:] == ("--role", "sync")
    feeds = {name: parts[name].environment["PLIMSOLL_FEEDS"] for name in ("feeds", "gate", "mexc")}
    assert feeds == {"feeds": "okx,bybit", "gate": "ccxt:gate", "mexc": "ccxt:mexc"}
    assert "sync" not in {part.name for part in _parts(Settings.model_validate({}), 1)}
