"""Two parts of one work, done at the same time: worth it where both are compiled and let go of the
interpreter's lock, and there is a tenth of a millisecond of each.

The second part has a thread of its own, one for the whole process. Where that is taken, or the
process has one processor, the first to be free does both, so nobody ever waits for a thread that
does something else.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

One = TypeVar("One")
Other = TypeVar("Other")


def side_by_side(here: Callable[[], One], there: Callable[[], Other]) -> tuple[One, Other]:
    """Return what both return; what either raises is raised once both have ended.

    Neither may write what the other one reads. Both have the caller's context, so NumPy warns of
    the same things in both (`np.errstate`).
    """
    if processors() < 2:
        return here(), there()
    doing = _second_thread().submit(copy_context().run, there)
    try:
        mine = here()
    except BaseException:
        if not doing.cancel():
            doing.exception()  # it has ended: what it reads may go
        raise
    return mine, there() if doing.cancel() else doing.result()


@cache
def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _second_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "plimsoll-beside")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_second_thread.cache_clear)  # a child has no such thread
