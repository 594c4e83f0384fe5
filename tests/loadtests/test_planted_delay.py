"""The load test must fail when the service is made slow; `make check` has it pass."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_fifty_milliseconds_break_the_budget() -> None:
    arguments = ["--seconds", "8", "--delay-ms", "50", "--short"]
    run = subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [row for row in run.stdout.splitlines() if "evaluate 3 positions" in row]
    verdicts = {
        row.split("positions")[1].split()[0]: row.split()[0] for row in rows if "x floor" in row
    }
    assert run.returncode == 1, run.stdout + run.stderr
    assert verdicts["p50"] == "BROKEN", run.stdout
    assert any("failed, share" in row and row.startswith("ok") for row in rows), run.stdout
