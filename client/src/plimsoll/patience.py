"""When to come back after a connection is lost, and when not to: the stream's close codes."""

import logging
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidStatus

from plimsoll.calls import problem_of
from plimsoll.errors import PlimsollError, StreamClosed, Unreachable

FINAL_CODES = range(4_500, 5_000)
DELAY_FIRST_S = 0.2

# A refused handshake that may be accepted later, besides all of 500 and above.
_PASSING_STATUSES = {408, 425, 429}
_log = logging.getLogger("plimsoll")


class Patience:
    """Delays that double up to `delay_max_s`, each cut by up to half so that bots do not come
    back all at once; none when the stream is lost for `give_up_after_s` (None: always one)."""

    def __init__(self, delay_max_s: float, give_up_after_s: float | None) -> None:
        self._delay_max_s = delay_max_s
        self._give_up_after_s = give_up_after_s
        self.renew()

    def renew(self) -> None:
        """Begin again with short delays: the service is there."""
        self._delay_s = DELAY_FIRST_S
        self._lost_at_s: float | None = None

    def delay_after(self, error: Exception) -> float:
        """Return how long to wait; raises when it is no use or took too long."""
        if (final := _final(error)) is not None:
            raise final from error
        now_s = time.monotonic()
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        away_s = now_s - self._lost_at_s
        if self._give_up_after_s is not None and away_s >= self._give_up_after_s:
            raise Unreachable(f"no stream for {away_s:.0f} s: {error}") from error
        delay_s = min(self._delay_s, self._delay_max_s) * random.uniform(0.5, 1.0)
        self._delay_s = min(2.0 * self._delay_s, self._delay_max_s)
        _log.warning("the alert stream is lost (%s), resuming in %.1f s", error, delay_s)
        return delay_s


def _final(error: Exception) -> PlimsollError | None:
    """Return what ends the subscription, None for what passes."""
    if isinstance(error, ConnectionClosed):
        close = error.rcvd
        if close is not None and close.code in FINAL_CODES:
            return StreamClosed(close.code, close.reason)
    elif isinstance(error, InvalidStatus):
        response = error.response
        if response.status_code < 500 and response.status_code not in _PASSING_STATUSES:
            return problem_of(response.status_code, bytes(response.body or b""))
    return None
