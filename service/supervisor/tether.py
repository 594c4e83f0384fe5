"""Ties a child process to its parent: when the supervisor is killed, nothing of it stays behind."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> Callable[[], None] | None:
    """Return what a child runs before its program: the kernel ends it when `parent_pid` is gone.

    Linux only; elsewhere None, and the data directory's lock keeps a second service out.
    """
    if not sys.platform.startswith("linux"):
        return None
    # Loaded here, before the fork: a child must not take locks that another thread may hold.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    number = int(signal.SIGTERM)

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent_pid:  # the parent went between the fork and the call
            os._exit(1)

    return tie
