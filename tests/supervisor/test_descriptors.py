"""The service asks for all the descriptors it may have: most systems give 1,024 otherwise."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
soft, hard = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from service.supervisor.resources import allow_descriptors
print(allow_descriptors())
"""


@pytest.mark.parametrize(("soft", "hard"), [(128, 512), (512, 512)])
def test_a_process_takes_all_the_descriptors_it_may_have(soft: int, hard: int) -> None:
    program = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    assert subprocess.run(program, capture_output=True, check=True).stdout == b"%d\n" % hard
