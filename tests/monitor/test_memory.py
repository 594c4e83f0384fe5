"""Memory of columns that have grown is given back."""

import platform
import subprocess
import sys

import pytest

POOLS = 100_000
BUILD = f"""
import os, sys
from service.memory import give_back_large_blocks
from tests.benchmarks.bench_monitor import Rounds
from tests.benchmarks.harness import resident_bytes

if sys.argv[1] == "back":
    give_back_large_blocks()
before = resident_bytes(os.getpid())
rounds = Rounds("uniform", {POOLS})
print(resident_bytes(os.getpid()) - before)
"""


def bytes_of_a_book(mode: str) -> int:
    """Return what a book takes in a process of its own."""
    command = (sys.executable, "-c", BUILD, mode)
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators do so anyway")
def test_what_columns_took_before_they_grew_is_given_back() -> None:
    assert bytes_of_a_book("back") < 0.85 * bytes_of_a_book("kept")
