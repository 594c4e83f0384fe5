"""Commits on their way to the store: one lot at a time, in order, sent again until answered.

Who begins a lot does not wait for its answer: the next entries are read and applied meanwhile. It
does wait, before the next lot, for the answer to this one. So the engine is ahead of the store by
two lots at most, and a shard's commits arrive in their order.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from service.errors import StoreUnavailable
from service.monitor.ports import LogPort
from service.store.alert_log import Commit, Outcome

_log = logging.getLogger(__name__)

RETRY_S = (0.02, 1.0)  # first and longest wait before a commit is sent again

Commits: TypeAlias = Sequence[tuple[int, Commit]]
Answered: TypeAlias = Callable[[list[Outcome]], None]


class Outgoing:
    """What one book sends; but for `stop`, all calls belong to the task that works on it."""

    def __init__(self, log: LogPort) -> None:
        self._log = log
        self._sending: asyncio.Future[None] | None = None
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether something is not answered yet."""
        return self._sending is not None and not self._sending.done()

    async def settled(self) -> None:
        """Return once everything is answered; whoever is cut short here sends nothing more."""
        if self._sending is not None:
            await self._sending
            self._sending = None

    async def begin(self, commits: Commits, answered: Answered) -> None:
        """Have a lot on its way; `answered` is called with its outcomes."""
        assert self._sending is None
        if self._stopped:
            return
        self._sending = asyncio.ensure_future(self._send(commits, answered))
        self._sending.add_done_callback(_noticed)
        await asyncio.sleep(0)  # it is written now, not when the next entries are applied

    def stop(self) -> None:
        """Send nothing more, and nothing again; what is on its way may still be carried out."""
        self._stopped = True

    async def _send(self, commits: Commits, answered: Answered) -> None:
        """Send the same commits until the store has answered."""
        wait_s, longest_s = RETRY_S
        while not self._stopped:
            try:
                answered(await self._log.commit(commits))
                return
            except StoreUnavailable as error:
                _log.warning("commit is sent again in %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, longest_s)


def _noticed(sending: "asyncio.Future[None]") -> None:
    """Whoever waits for it next hears of its error; who has died of another has no need to."""
    if not sending.cancelled():
        sending.exception()
