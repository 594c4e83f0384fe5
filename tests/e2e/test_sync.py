"""`plimsoll serve` with accounts to keep: written, well after a kill, and no secret is left behind."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import cli
from tests.api.workers import instrument
from tests.e2e.running_service import RunningService, until
from tests.sync.mock_rest import MockRest, fixture, serving

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")

SECRETS = ("k3y-of-mine", "s3cret-of-mine")
DOGE = "DOGE/USDT:USDT"
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


def configured(folder: Path, venue: MockRest, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_VENUE_KEY", SECRETS[0])
    (folder / "secret").write_text(SECRETS[1])
    file = folder / "sync.toml"
    file.write_text(ACCOUNT.format(secret=folder / "secret", url=venue.url))
    return file


def clocked(answers: dict[str, Any]) -> dict[str, Any]:
    return answers | {"/fapi/v1/time": lambda: {"serverTime": int(time.time() * 1_000)}}


def test_an_account_is_kept_over_a_kill_and_no_secret_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(clocked(fixture("binanceusdm")["answers"])) as venue:
        file = configured(tmp_path, venue, monkeypatch)
        monkeypatch.setenv("PLIMSOLL_SYNC_FILE", str(file))
        service = RunningService(tmp_path / "data")
        try:
            until(lambda: _degraded(service) == [f"{LATE} not_understood"])
            listed = [instrument(DOGE, venue="binance")]
            service.write("PUT", "/v1/instruments", listed)
            told = until(lambda: _account(service))
            assert told["balances"] == [{"asset": "USDT", "amount": 20.0}]
            (position,) = told["positions"]
            assert (position["side"], position["margin"]) == ("short", 0.88304001)
            until(lambda: _degraded(service) == [])
            service.kill("--role sync")
            row = venue.answers["/fapi/v3/positionRisk"][0]
            venue.answers["/fapi/v3/positionRisk"] = [row | {"positionAmt": "-40"}]
            until(lambda: _account(service)["positions"][0]["contracts"] == 40.0)
            written = re.compile(r'plimsoll_sync_written_total\{account="desk-7".*\} 1\.0')
            until(lambda: written.search(service.http.get("/metrics").text))
        finally:
            service.process.terminate()
            assert service.ended() == 0
    kept = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    for secret in SECRETS:
        assert all(secret not in line for line in service.lines)
        assert all(secret.encode() not in content for content in kept)
    assert any("position" in content.decode(errors="ignore") for content in kept)


def _account(service: RunningService) -> Any:
    answer = service.http.get("/v1/accounts/desk-7")
    return answer.json() if answer.status_code == 200 else None


def _degraded(service: RunningService) -> list[str]:
    told: list[str] = service.http.get("/readyz").json()["degraded"]
    return [line for line in told if line.startswith("sync")]


def test_a_check_says_what_each_venue_says_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(clocked(fixture("binanceusdm")["answers"])) as venue:
        file = configured(tmp_path, venue, monkeypatch)
        good = CliRunner().invoke(cli, ["sync", str(file), "--check"])
        assert good.exit_code == 0, good.output
        assert re.search(r"desk-7\s+binanceusdm\s+1\s+[+-]\d+ ms\s+reads", good.output)
        rights = venue.answers["/sapi/v1/account/apiRestrictions"]
        venue.answers["/sapi/v1/account/apiRestrictions"] = rights | {"enableFutures": True}
        much = CliRunner().invoke(cli, ["sync", str(file), "--check"])
        assert (much.exit_code, "may trade" in much.output) == (1, True)
        venue.refuse["/fapi/v3/account"] = 401
        refused = CliRunner().invoke(cli, ["sync", str(file), "--check"])
        assert refused.exit_code == 1
        for output in (good.output, much.output, refused.output):
            assert not any(secret in output for secret in SECRETS)


def test_a_file_that_cannot_be_read_ends_the_service_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sync.toml"
    file.write_text("[[accounts]]\nid = 'x'\nexchange = 'nasdaq'")
    for command in (["sync", str(file)], ["serve", "--port", "0", "--data-dir", str(tmp_path)]):
        monkeypatch.setenv("PLIMSOLL_SYNC_FILE", str(file))
        ended = CliRunner().invoke(cli, command)
        assert ended.exit_code == 1
        assert "exchange is one of" in ended.output
