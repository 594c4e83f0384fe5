"""Nobody waits for the compiler but who starts a process."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_after_the_warm_up_no_batch_has_anything_compiled() -> None:
    """Columns of other types would, which shows that it would be seen."""
    command = (sys.executable, "-m", "tests.risk.compiling")
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    warm, later, with_other_types = map(int, told.split())
    assert warm == later < with_other_types


def test_the_command_line_does_not_load_the_compiler() -> None:
    asked = "import sys, service.cli; print('numba' in sys.modules)"
    command = (sys.executable, "-c", asked)
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told.strip() == "False"
