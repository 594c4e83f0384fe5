"""When a call that was refused for now is made again: what may be repeated, and after how long."""

import random

from plimsoll.calls import Answer, Call
from plimsoll.errors import Problem

RETRY_FOR_S = 5.0
DELAY_LEAST_S = 0.2


def delay_before_repeat(call: Call[Answer], problem: Problem, left_s: float) -> float | None:
    """Return how long to wait until a call is made again; None: it is not.

    The service has to name a time (`Retry-After`) which is within what is `left_s`. Who is refused
    with 429 has done nothing; after a 503 something may have been done, so only what can be done
    twice is repeated; 409 with a time is our own call, still being carried out. Delays are
    stretched by up to a fifth, so that bots do not come back all at once.
    """
    if problem.retry_after_s is None or not _may_be_repeated(call, problem.status):
        return None
    delay_s = max(DELAY_LEAST_S, problem.retry_after_s) * random.uniform(1.0, 1.2)
    return delay_s if delay_s <= left_s else None


def _may_be_repeated(call: Call[Answer], status: int) -> bool:
    if call.parts is not None:
        return False  # what was sent of it is gone
    return status == 429 or (status in (409, 503) and call.repeatable)
