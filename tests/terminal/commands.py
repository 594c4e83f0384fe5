"""The commands of the terminal over a running service: what they print, and how they end."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from typer.testing import CliRunner, Result

from service.cli import cli
from service.demo.wording import LEVELS
from tests.api.workers import account, long
from tests.e2e.running_service import until
from tests.terminal.patient import TOKEN, Patient


def run(patient: Patient, *arguments: str) -> Result:
    """Run a command with the operator's key."""
    where = ("--url", patient.service.url, "--token", TOKEN)
    return CliRunner().invoke(cli, [*arguments, *where])


def an_alert_is_explained(patient: Patient) -> None:
    """A position with little equity: what is logged is derived again and shown line by line."""
    patient.fresh_marks()
    body = account(long(), usdt=500)
    patient.service.write("PUT", "/v1/accounts/near", body)
    ((alert,),) = until(lambda: _alerts(patient))
    ended = run(patient, "replay", "--audit", alert["id"])
    assert ended.exit_code == 0, ended.output
    for words in ("near-1", "60000.0", "maintenance 225.0", "re-derived to the digit: 19 of 19"):
        assert words.replace("225.0", repr(alert["maintenanceMargin"])) in ended.stdout
    told = json.loads(run(patient, "replay", "--last", "3", "-o", "json").stdout)
    assert (told["equal"], told["alert"]) == (True, alert)


def _alerts(patient: Patient) -> list[list[dict[str, Any]]]:
    found = patient.service.http.get("/v1/alerts").json()["alerts"]
    return [found] if found else []


def an_alert_that_is_not_there_is_an_error(patient: Patient) -> None:
    ended = run(patient, "replay", "--audit", "nobody-1")
    assert ended.exit_code == 1
    assert "unknown_alert" in ended.output


def who_is_near_is_written_as_lines(patient: Patient) -> None:
    """It ends in order when told to, or when nobody reads on; it says when it is not live."""
    for signalled in (True, False):
        watching = _watch(patient, "-o", "json")
        assert watching.stdout is not None
        said: list[dict[str, Any]] = []
        while not any(one["type"] == "account" for one in said):
            said.append(json.loads(watching.stdout.readline()))
        live = [one["live"] for one in said if one["type"] == "live"]
        assert live[-1] is True
        (row,) = (one for one in said if one["type"] == "account")
        assert (row["accountId"], row["level"] in LEVELS) == ("near", True)
        if signalled:
            watching.send_signal(signal.SIGINT)
        else:
            watching.stdout.close()
            patient.service.write("PUT", "/v1/accounts/near", account(long(), usdt=1))
        assert watching.wait(10.0) == 0
        watching.stdout.close()


def _watch(patient: Patient, *more: str) -> "subprocess.Popen[str]":
    where = ("--url", patient.service.url, "--token", TOKEN)
    command: Sequence[str] = (sys.executable, "-m", "service", "watch", *where, *more)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def the_doctor_ends_by_what_it_finds(patient: Patient) -> None:
    patient.fresh_marks()
    ended = run(patient, "doctor", "--data-dir", str(patient.data_dir), "-o", "json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["healthy"], told["findings"]) == (0, True, []), told
    where = ("--url", patient.service.url, "--data-dir", "/nowhere", "--token", "wrong")
    ended = CliRunner().invoke(cli, ["doctor", *where])
    assert ended.exit_code == 1
    assert "wrong_key" in ended.stdout
    assert "2 findings" in ended.stdout


COMMANDS: tuple[Callable[[Patient], None], ...] = (
    an_alert_is_explained,
    an_alert_that_is_not_there_is_an_error,
    who_is_near_is_written_as_lines,
    the_doctor_ends_by_what_it_finds,
)
