"""Nobody waits for the compiler but who starts a process."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

from service.risk import compiled
from service.risk.columns import Floats

ROOT = Path(__file__).parents[2]


def test_after_the_warm_up_no_batch_has_anything_compiled() -> None:
    """Columns of other types would, which shows that it would be seen."""
    command = (sys.executable, "-m", "tests.risk.compiling")
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    warm, later, with_other_types = map(int, told.split())
    assert warm == later < with_other_types


def test_after_its_warm_up_a_worker_has_called_everything_that_is_compiled() -> None:
    asked = """
import gc
from service import app
from service.risk.compiled import Direct
app.warm_up()
entries = [each._entry for each in gc.get_objects() if isinstance(each, Direct)]
print(len(entries), entries.count(None))
"""
    told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=True, capture_output=True)
    called, never_called = map(int, told.stdout.split())
    assert called
    assert never_called == 0


def test_the_command_line_does_not_load_the_compiler() -> None:
    asked = "import sys, service.cli; print('numba' in sys.modules)"
    command = (sys.executable, "-c", asked)
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told.strip() == "False"


def test_what_compiled_code_has_called_is_called_as_directly() -> None:
    """Compiled code calls by types that are narrower: of a number that it has written out."""
    as_it_is = runpy.run_path(compiled.__file__)  # tests have `Direct` look at every call
    called, direct_to = as_it_is["called"], as_it_is["Direct"]

    @called  # type: ignore[untyped-decorator]
    def put(column: Floats, part: tuple[int, int]) -> None:
        column[part[0] : part[1]] = 1.0

    @called  # type: ignore[untyped-decorator]
    def put_from_the_beginning(column: Floats) -> None:
        put(column, (0, len(column)))

    direct, column = direct_to(put), np.zeros(3)
    put_from_the_beginning(column)
    assert column.tolist() == [1.0, 1.0, 1.0]
    for _ in range(2):  # when the types are found out, and by what was found
        column[:] = 0.0
        direct(column, (1, 3))
        assert column.tolist() == [0.0, 1.0, 1.0]
