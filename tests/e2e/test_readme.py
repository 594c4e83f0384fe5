"""The README and the documents do what they say: snippets run for real, settings are the service's.

Sections of the README have tests of their own; the blocks of `docs/` are run one by one, by the
conventions of `documents.py`.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from service.settings import Settings
from tests.e2e.documents import DOCUMENTS, blocks_of, check_answer
from tests.simulation.processes import Processes, wait_until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:8000"
SYMBOL = "SOL/USDC:FOLLOWED"  # nobody else in this file marks it


def snippets(language: str, heading: str) -> list[str]:
    """The code blocks of one section."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(tmp_path_factory.mktemp("readme")) as running:
        yield running


def run(command: list[str], folder: Path, **more: str) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **more}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(script: str, service: Processes, folder: Path) -> str:
    here = script.replace(ADDRESS, f"127.0.0.1:{service.port}")
    return run(["bash", "-euc", here], folder)


def test_the_question_is_answered(service: Processes, tmp_path: Path) -> None:
    (curl,) = snippets("sh", "Ask it")
    (account,) = orjson.loads(shell(curl, service, tmp_path))["accounts"]
    assert (account["level"], account["equity"]) == ("WARNING", 40.0)
    (position,) = account["positions"]
    assert position["liquidationPrice"] == pytest.approx(5_460 / (0.1 * 0.996))


def test_will_i_owe_money(service: Processes, tmp_path: Path) -> None:
    """The numbers of the README's table: 6,000 of margin, 12 % of 60,000 lost, 0.05 % to close."""
    (curl,) = snippets("sh", "Will I owe money?")
    answers = orjson.loads(shell(curl, service, tmp_path))["accounts"]
    alone, protected, hedged = (answer["pools"][0] for answer in answers)
    assert alone["gapToLiquidationPct"] == pytest.approx(100 * 5_700 / 59_700)
    assert alone["gapToOwePct"] == pytest.approx(10)
    assert alone["maxLoss"] == pytest.approx(60_000)
    assert alone["afterGap"]["owed"] == pytest.approx(7_200 - 6_000 + 26.4)
    assert (protected["gapToOwePct"], protected["gapToOweReason"]) == (None, "protected")
    assert protected["maxLoss"] == pytest.approx(6_000)
    assert protected["afterGap"]["owed"] == 0
    assert protected["afterGap"]["fund"] == pytest.approx(1_226.4)
    assert hedged["gapToLiquidationPct"] == pytest.approx(100 * 5_400 / 29_400)
    assert hedged["gapToOwePct"] == pytest.approx(20)
    assert (hedged["maxLoss"], hedged["maxLossReason"]) == (None, "unbounded")
    assert hedged["afterGap"]["equity"] == pytest.approx(2_400)
    assert (hedged["afterGap"]["level"], hedged["afterGap"]["shortfall"]) == ("HEALTHY", 0)
    btc = answers[2]["positions"][0]
    assert btc["gapToLiquidationPct"] == pytest.approx(100 * 5_400 / 59_700)
    assert btc["gapToOwePct"] == pytest.approx(10)
    gap = '"gap": {"movePct": -12}'
    eth_stays = curl.replace(gap, f'{gap}, "betas": {{"ETH/USDT:USDT": 0}}')
    answers = orjson.loads(shell(eth_stays, service, tmp_path))["accounts"]
    owed = 7_200 - 6_000 + 0.0005 * (52_800 + 30_000)
    assert answers[2]["pools"][0]["afterGap"]["owed"] == pytest.approx(owed)
    for shown in ("9.55 %", "18.37 %", "9.05 %", "1,226.40", f"{owed:,.2f} missing"):
        assert shown in README


def test_an_account_is_watched_from_the_first_mark_on(service: Processes, tmp_path: Path) -> None:
    (script,) = snippets("sh", "Watch your own account")
    shell(script, service, tmp_path)
    address = f"{service.url}/v1/alerts?accountId=my-bot"
    answer: list[dict[str, object]] = []

    def warned() -> bool:
        answer[:] = httpx.get(address).json()["alerts"]
        return any(alert["level"] == "WARNING" for alert in answer)

    wait_until(warned, "the alert of the README")
    (python,) = snippets("python", "Watch your own account")
    here = python.replace(ADDRESS, f"127.0.0.1:{service.port}")
    said = run([sys.executable, "-c", here], tmp_path).splitlines()
    assert [orjson.loads(line)["type"] for line in said] == ["subscribed", "snapshot"]


def test_the_other_doors_are_open(service: Processes, tmp_path: Path) -> None:
    (script,) = snippets("sh", "Other doors to the same log")
    said = shell(script, service, tmp_path)
    assert "event: subscribed" in said
    assert '"secret":"whsec_' in said
    assert '"deadLetters":[]' in said


def test_people_are_told_where_that_is_turned_on(service: Processes, tmp_path: Path) -> None:
    (script,) = snippets("sh", "Telling people")
    put, tested, listed, _ = shell(script, service, tmp_path).replace("}{", "}\n{").splitlines()
    assert orjson.loads(put)["code"] == orjson.loads(tested)["code"] == "targets_off"
    assert orjson.loads(listed) == {"targets": []}


def test_alerts_are_acknowledged_and_silenced(service: Processes, tmp_path: Path) -> None:
    (watch,) = snippets("sh", "Watch your own account")
    shell(watch, service, tmp_path)
    address = f"{service.url}/v1/alerts?accountId=my-bot"
    wait_until(lambda: bool(httpx.get(address).json()["alerts"]), "an alert to acknowledge")
    (script,) = snippets("sh", "Who has seen it, and who need not")
    said = shell(script, service, tmp_path)
    assert '{"id":"my-bot-1","acknowledgedAt":' in said
    assert '"id":"my-bot-1","epoch"' not in said
    assert said.count('"comment":"rolling over"') == 2


def test_the_guard_says_what_to_close(service: Processes, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / "guard.py")
    said = run([sys.executable, script], tmp_path, PLIMSOLL_URL=service.url)
    assert "margin ratio" in said
    assert "BTC/USDT:USDT long: liquidation at" in said


def test_the_listener_misses_nothing_while_it_is_away(service: Processes, tmp_path: Path) -> None:
    """Alerts are raised while it runs, is killed, and is back: each is heard once."""
    heard, cursor = tmp_path / "heard.txt", tmp_path / "cursor.txt"
    _store_account(service)
    _mark(service, 200.0)
    with _listening(service, tmp_path, heard):
        wait_until(cursor.exists, "the subscription")
        before = cursor.read_text()
        _mark(service, 183.0)
        wait_until(lambda: "WARNING" in heard.read_text(), "the first alert")
        # Killed between the two, it would rightly be given the alert again.
        wait_until(lambda: cursor.read_text() != before, "the cursor behind it")
    _mark(service, 182.0)
    with _listening(service, tmp_path, heard):
        wait_until(lambda: "MARGIN_CALL" in heard.read_text(), "the alert it was away for")
        _mark(service, 181.0)
        wait_until(lambda: "LIQUIDATION" in heard.read_text(), "the last alert")
    for level in ("WARNING", "MARGIN_CALL", "LIQUIDATION"):
        assert heard.read_text().count(f"-> {level},") == 1


def _store_account(service: Processes) -> None:
    position = {"symbol": SYMBOL, "side": "long", "contracts": 50, "entryPrice": 200}
    body = {"balances": [{"asset": "USDC", "amount": 1_000}], "positions": [position]}
    terms = orjson.loads(re.findall(r"/v1/instruments .*? -d '(.*?)'", README, re.DOTALL)[0])
    terms[0]["symbol"] = SYMBOL
    httpx.put(f"{service.url}/v1/instruments", json=terms).raise_for_status()
    httpx.put(f"{service.url}/v1/accounts/follower", json=body).raise_for_status()


def _mark(service: Processes, price: float) -> None:
    body = {"marks": [{"symbol": SYMBOL, "markPrice": price}]}
    httpx.post(f"{service.url}/v1/marks", json=body).raise_for_status()


@contextlib.contextmanager
def _listening(service: Processes, folder: Path, heard: Path) -> Iterator[None]:
    """The README's listener, killed at the end."""
    with heard.open("ab") as out:
        listener = subprocess.Popen(
            [sys.executable, str(ROOT / "client" / "examples" / "print_alerts.py"), "follower"],
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, "PLIMSOLL_URL": service.url},
        )
    try:
        yield
    finally:
        listener.kill()
        listener.wait()


def settings_table() -> str:
    """The settings as the README lists them."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else field.default
        shown = str(list(default)) if isinstance(default, tuple) else str(default)
        rows.append(f"| `PLIMSOLL_{name.upper()}` | `{shown}` | {field.description} |")
    return "\n".join(rows).replace("``", "")


def test_the_settings_are_those_of_the_service() -> None:
    assert settings_table() in README, settings_table()


# Documents whose blocks another test runs, one by one.
ELSEWHERE = {"instruments.md": "test_instruments.py, where a line of the import is refused"}
if os.environ.get("PLIMSOLL_TEST_STORE") == "cluster":
    ELSEWHERE["operations.md"] = "../supervisor/test_backups.py, with an embedded server"


@pytest.fixture(scope="module")
def programs(service: Processes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A path with `plimsoll`, and with a curl that fails when it is answered an error."""
    folder = tmp_path_factory.mktemp("programs")
    for name, command in (
        ("plimsoll", f"{sys.executable} -m service"),
        ("curl", "/usr/bin/curl --fail-with-body"),
    ):
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)
    return {
        "PATH": f"{folder}:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))),
        "PLIMSOLL_DATA_DIR": str(service.directory / "valkey"),
        "PLIMSOLL_URL": service.url,
    }


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if path.name not in ELSEWHERE],
    ids=lambda path: path.name,
)
def test_the_blocks_of_a_document_do_what_it_says(
    document: Path, service: Processes, programs: dict[str, str], tmp_path: Path
) -> None:
    said: str | None = None
    for block in blocks_of(document):
        here = block.text.replace(ADDRESS, f"127.0.0.1:{service.port}")
        if block.language == "json" and said is not None and "answer" in block.before:
            check_answer(block, said)
        elif block.language == "sh":
            said = run(["bash", "-euo", "pipefail", "-c", here], tmp_path, **programs)
        elif block.language == "python":
            run([sys.executable, "-c", here], tmp_path, **programs)
