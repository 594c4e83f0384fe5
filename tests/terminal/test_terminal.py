"""A service seen from the terminal: healthy, with one fault after the other, and by its commands.

It is one test because a service takes longer to start than all of this.
"""

import signal
from pathlib import Path

import pytest

from tests.api.workers import instrument
from tests.terminal.commands import COMMANDS
from tests.terminal.faults import PLANTED
from tests.terminal.patient import MARK_MAX_AGE_S, TOKEN, Patient, only


@pytest.mark.timeout(180)
def test_faults_are_named_and_commands_do_as_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIMSOLL_BOOTSTRAP_KEY", TOKEN)
    monkeypatch.setenv("PLIMSOLL_SHARDS", "4")
    monkeypatch.setenv("COLUMNS", "200")  # of the terminal
    monkeypatch.setenv("PLIMSOLL_MARK_MAX_AGE_S", str(MARK_MAX_AGE_S))
    patient = Patient(tmp_path)
    only(patient.examined(), "no_marks")  # the first fault: nothing has come in yet
    patient.service.write("PUT", "/v1/instruments", [instrument()])
    for check in (*PLANTED, *COMMANDS):
        check(patient)
    patient.service.process.send_signal(signal.SIGTERM)
    patient.service.ended()
