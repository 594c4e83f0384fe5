"""The commands that need no service: what they print, how they refuse, how they end."""

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service import evaluate_cli, terminal
from service.cli import cli
from service.settings import Settings

REQUEST = {
    "accounts": [
        {
            "id": "a1",
            "venue": "binance",
            "balances": [{"asset": "USDT", "amount": 1_000}],
            "positions": [
                {
                    "symbol": "BTC/USDT:USDT",
                    "side": "long",
                    "contracts": 0.1,
                    "entryPrice": 60_000,
                }
            ],
        },
        {"id": "a2", "venue": "binance", "positions": [{"symbol": "BTC/USDT:USDT"}]},
    ],
    "marks": {"BTC/USDT:USDT": 55_000},
    "instruments": [
        {
            "venue": "binance",
            "symbol": "BTC/USDT:USDT",
            "linear": True,
            "contractSize": 1,
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "tiers": [{"minNotional": 0, "maintenanceMarginRate": 0.004}],
        }
    ],
}


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (evaluate_cli, terminal):
        monkeypatch.setattr(module, "out", Console(width=200))


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path


def test_evaluate_prints_pools_positions_and_what_was_wrong(request_file: Path) -> None:
    ended = CliRunner().invoke(cli, ["evaluate", str(request_file)])

    assert ended.exit_code == 0, ended.output
    for words in ("cross USDT", "HEALTHY", "500.00 USDT", "0.0440", "BTC/USDT long", "50,200.8"):
        assert words in ended.output
    assert "/accounts/1/positions/0" in ended.output


def test_evaluate_gives_the_answer_as_json(request_file: Path) -> None:
    ended = CliRunner().invoke(cli, ["evaluate", str(request_file), "-o", "json"])

    answer = json.loads(ended.stdout)
    assert answer["accounts"][0]["positions"][0]["liquidationPrice"] == pytest.approx(
        (1_000 - 6_000) / (0.1 * (0.004 - 1.0))
    )


def test_evaluate_refuses_what_is_no_request(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text("{")
    ended = CliRunner().invoke(cli, ["evaluate", str(path)])

    assert ended.exit_code == 1
    assert "malformed_body" in ended.output
    assert "Traceback" not in ended.output


def test_config_shows_every_setting_and_where_its_value_is_from() -> None:
    ended = CliRunner().invoke(cli, ["config"], env={"PLIMSOLL_PORT": "8123"})

    assert ended.exit_code == 0
    for name in Settings.model_fields:
        assert f"PLIMSOLL_{name.upper()}" in ended.output
    (line,) = (line for line in ended.output.splitlines() if "PLIMSOLL_PORT" in line)
    assert line.split()[1:3] == ["8123", "environment"]


def test_config_names_what_won(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line before the environment, that before the file, that before the default."""
    monkeypatch.chdir(tmp_path)
    lines = ("PLIMSOLL_PORT=1", "PLIMSOLL_WORKERS=2", "PLIMSOLL_MONITORS=3", "OTHER=4")
    (tmp_path / ".env").write_text("\n".join(lines))
    told = {"PLIMSOLL_PORT": "5", "PLIMSOLL_WORKERS": "6"}
    ended = CliRunner().invoke(cli, ["config", "-o", "json", "--port", "7"], env=told)
    rows = {row["variable"]: row for row in json.loads(ended.stdout)}
    found = {
        name: (rows[f"PLIMSOLL_{name}"]["value"], rows[f"PLIMSOLL_{name}"]["source"])
        for name in ("PORT", "WORKERS", "MONITORS", "SHARDS")
    }
    assert found == {
        "PORT": (7, "command line"),
        "WORKERS": (6, "environment"),
        "MONITORS": (3, ".env file"),
        "SHARDS": (64, "default"),
    }
    assert all(row["meaning"] for row in rows.values())


def test_config_hides_a_password_inside_a_url() -> None:
    url = "redis://me:hidden-word@host:6379/0"
    ended = CliRunner().invoke(cli, ["config", "-o", "json", "--redis-url", url])
    assert "redis://me:**********@host:6379/0" in ended.stdout
    assert "hidden-word" not in ended.stdout


def test_a_feed_needs_a_venue_that_there_is_and_a_service_that_runs(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(cli, ["feed", "okx", "nasdaq"])
    assert unknown.exit_code == 2
    assert "PLIMSOLL_FEEDS" in unknown.output

    alone = CliRunner().invoke(cli, ["feed", "okx", "--data-dir", str(tmp_path)])
    assert alone.exit_code == 1
    assert "no service runs over" in alone.output


def test_config_does_not_show_a_secret() -> None:
    ended = CliRunner().invoke(
        cli, ["config"], env={"PLIMSOLL_BOOTSTRAP_KEY": "very-secret-token-20"}
    )

    assert ended.exit_code == 0
    assert "very-secret" not in ended.output
    short = CliRunner().invoke(cli, ["config"], env={"PLIMSOLL_BOOTSTRAP_KEY": "very-secret"})
    assert short.exit_code == 2
    assert "PLIMSOLL_BOOTSTRAP_KEY" in short.output
    assert "very-secret" not in short.output


def test_a_setting_that_cannot_be_is_named() -> None:
    ended = CliRunner().invoke(cli, ["config"], env={"PLIMSOLL_SHARDS": "many"})

    assert ended.exit_code == 2
    assert "PLIMSOLL_SHARDS" in ended.output


def test_openapi_tells_old_documents_from_new(tmp_path: Path) -> None:
    folder = ["--folder", str(tmp_path / "openapi")]
    runner = CliRunner()

    assert runner.invoke(cli, ["openapi", "--check", *folder]).exit_code == 1
    assert runner.invoke(cli, ["openapi", *folder]).exit_code == 0
    assert runner.invoke(cli, ["openapi", "--check", *folder]).exit_code == 0
    assert json.loads((tmp_path / "openapi" / "asyncapi.json").read_text())["asyncapi"] == "3.0.0"
    (tmp_path / "openapi" / "openapi.json").write_text("{}")
    assert runner.invoke(cli, ["openapi", "--check", *folder]).exit_code == 1


def test_a_replay_of_nothing_we_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    path.write_text("x")
    ended = CliRunner().invoke(cli, ["replay", str(path)])

    assert ended.exit_code == 1
    assert "neither .csv nor .ndjson" in ended.output


def test_a_replay_needs_a_file_or_alerts(tmp_path: Path) -> None:
    assert "--audit ALERT_ID" in CliRunner().invoke(cli, ["replay"]).output
    (tmp_path / "tape.ndjson").write_text("")
    both = CliRunner().invoke(cli, ["replay", str(tmp_path / "tape.ndjson"), "--last", "1"])
    assert (both.exit_code, "no FILE" in both.output) == (2, True)


def test_watch_knows_the_levels() -> None:
    ended = CliRunner().invoke(cli, ["watch", "--level", "WORRIED"])

    assert ended.exit_code == 2
    assert "MARGIN_CALL" in ended.output


def test_evaluate_says_that_nobody_answers(request_file: Path) -> None:
    for url in ("http://127.0.0.1:1", "localhost:1"):
        ended = CliRunner().invoke(cli, ["evaluate", str(request_file), "--url", url])

        assert ended.exit_code == 1
        assert f"no service answers at {url}" in ended.output
        assert "Traceback" not in ended.output
