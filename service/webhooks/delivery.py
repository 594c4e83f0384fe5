"""One receiver's deliveries, one after the other, in the order of the log.

A delivery is first written down (up to which cursor it goes), then sent until it is taken or given
up, and only then is the cursor moved. Whoever goes on after a kill finds it written down, reads the
same alerts and sends them under the same id; so nothing is lost, and a repeat can be told.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from service.access.silences import SilenceBoard
from service.contract.selection import Selection
from service.contract.webhooks import (
    DeadLetter,
    Pending,
    Progress,
    read_letter,
    read_progress,
    write,
)
from service.errors import StoreUnavailable
from service.store.log_order import Entries
from service.store.receivers import Addressee, Step
from service.webhooks.batches import Batch, LogState, Size, delivery_id, next_batch
from service.webhooks.sender import Outcome

ATTEMPTS_MIN = 3  # however old a delivery is: perhaps it was us who were away
LETTER_ATTEMPTS = 3  # of a dead letter that is sent again; somebody waits for it
# What a webhook does not want is passed over in memory, and written down so often.
_PASSED_WRITTEN_S = 30.0
_STORE_PAUSE_S = 0.25


class LeaseLost(Exception):
    """Somebody else delivers now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to try again: pauses double, with jitter, until a delivery is given up."""

    first_s: float = 1.0
    longest_s: float = 3_600.0
    give_up_s: float = 86_400.0

    def pause_s(self, attempts: int, retry_after_s: float) -> float:
        """Return the pause after so many attempts; not before the receiver wants it."""
        doubled = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 40))
        return max(doubled * random.uniform(0.5, 1.0), min(retry_after_s, self.longest_s))


class Ledger(Protocol):
    """What is stored of deliveries; everything may raise StoreUnavailable."""

    async def addressee(self, key: str) -> Addressee | None: ...

    async def advance(
        self, token: int, key: str, before: bytes, after: bytes, letter: bytes = b""
    ) -> Step: ...

    async def again(self, receiver_keys: Sequence[str]) -> dict[str, bytes]: ...

    async def settle_letter(self, key: str, letter: bytes, still_dead: bytes | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receiver is told, and how long a burst is waited for so that it is told in one."""

    selection: Selection
    gather_s: float = 0.0


class Road(Protocol):
    """How one kind of receivers is told: what it is sent, and sending that once."""

    size: Size

    def wanted(self, key: str, doc: bytes) -> Wanted: ...

    def kept(self, alert: bytes) -> bytes:
        """Return what of an alert (JSON) is needed for a body."""

    def body(self, key: str, begun_at_ms: int, batch: Batch) -> bytes: ...

    async def send(self, key: str, to: Addressee, named: str, body: bytes) -> Outcome: ...


class Deliveries:
    """The life of one receiver; its owner keeps what is public up to date, and calls `wake`.

    The receiver is read at every step, after the end of the log that the step goes to: so what is
    logged once a change of it was answered is told as the change wants it.
    """

    def __init__(
        self,
        key: str,
        token: int,
        *,
        log: Entries,
        ledger: Ledger,
        road: Road,
        pace: Pace,
        silences: SilenceBoard,
    ) -> None:
        self.state: LogState | None = None
        self.has_letters = False  # that are to be sent again
        self._key, self._token = key, token
        self._log, self._ledger, self._road, self._pace = log, ledger, road, pace
        self._silences = silences
        self._woken = asyncio.Event()
        self._quiet_until = 0.0  # nothing in the log matters before
        self._stored = b""
        self._incarnation = ""
        self._passed: str | None = None  # the cursor up to which nothing was wanted
        self._burst_at: float | None = None  # when the one that is gathered was first seen
        self._written_at = time.monotonic()

    def wake(self) -> None:
        """Say that there may be something to do."""
        if self.has_letters or time.monotonic() >= self._quiet_until:
            self._woken.set()

    async def run(self) -> None:
        """Deliver until the receiver is gone. Raises LeaseLost."""
        while True:
            self._woken.clear()
            try:
                pause_s = await self._step()
            except StoreUnavailable:
                pause_s = _STORE_PAUSE_S
            if pause_s is None:
                return
            if pause_s > 0.0:
                await self._wait(pause_s)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _step(self) -> float | None:
        """Do what is next; return how long there is nothing to do then, None: for ever."""
        state = self.state
        if state is None:
            return 60.0
        to = await self._ledger.addressee(self._key)
        if to is None:
            return None
        self._stored = to.progress
        progress = read_progress(to.progress)
        if progress.incarnation != self._incarnation:  # perhaps another one of the same name
            self._incarnation, self._passed = progress.incarnation, None
        if self.has_letters:
            return await self._send_again(progress, to)
        if progress.pending is None:
            return await self._begin(progress, to, state)
        wait_s = progress.pending.next_at / 1e3 - time.time()
        self._quiet_until = time.monotonic() + wait_s
        return wait_s if wait_s > 0.0 else await self._try(progress, to, state)

    async def _begin(self, progress: Progress, to: Addressee, state: LogState) -> float:
        """Write the next delivery down, if there is anything to deliver."""
        since, wanted = self._passed or progress.cursor, self._road.wanted(self._key, to.doc)
        batch = await self._batch(state, since, wanted.selection)
        if batch.alerts and (wait_s := self._gathering_s(wanted.gather_s)) > 0.0:
            return wait_s
        if batch.alerts or not batch.recovered:
            pending = Pending(batch.after, _now_ms(), batch.recovered)
            # The cursor may be moved with it: between the two nothing was wanted.
            cursor = since if batch.recovered else progress.cursor
            await self._advance(msgspec.structs.replace(progress, cursor=cursor, pending=pending))
            self._passed = self._burst_at = None
            return 0.0
        moved = batch.after != since
        self._passed = batch.after
        late = time.monotonic() - self._written_at > _PASSED_WRITTEN_S
        if late and batch.after != progress.cursor:
            await self._advance(msgspec.structs.replace(progress, cursor=batch.after))
        return 0.0 if moved else _PASSED_WRITTEN_S

    async def _try(self, progress: Progress, to: Addressee, state: LogState) -> float:
        """Send the delivery that is written down, and write down what became of it.

        What was wanted when it was written down may be another by now.
        """
        pending = progress.pending
        assert pending is not None
        batch = Batch((), pending.after, recovered=False)
        if pending.recovered:
            wanted = self._road.wanted(self._key, to.doc)
            batch = await self._batch(state, progress.cursor, wanted.selection, pending.after)
            if not batch.recovered:  # its alerts are gone from the log: tell that instead
                gap = Pending(batch.after, _now_ms(), recovered=False)
                await self._advance(msgspec.structs.replace(progress, pending=gap))
                return 0.0
            if batch.after != pending.after:
                return _STORE_PAUSE_S  # what is there is not seen yet
        named = delivery_id(progress.incarnation, pending.after, to.doc)
        body = self._road.body(self._key, pending.begun_at, batch)
        outcome = Outcome()
        if batch.alerts or not batch.recovered:  # another selection may want none of them
            outcome = await self._road.send(self._key, to, named, body)
        await self._record(progress, pending, outcome, (named, body))
        return 0.0

    async def _batch(
        self, state: LogState, since: str, selection: Selection, until: str | None = None
    ) -> Batch:
        return await next_batch(
            self._log,
            state,
            since,
            selection,
            silences=self._silences.now,
            size=self._road.size,
            kept=self._road.kept,
            until=until,
        )

    def _gathering_s(self, gather_s: float) -> float:
        """Return how long more of the burst is waited for, which began when it was first seen."""
        now = time.monotonic()
        self._burst_at = now if self._burst_at is None else self._burst_at
        self._quiet_until = self._burst_at + gather_s
        return self._quiet_until - now

    async def _record(
        self, progress: Progress, pending: Pending, outcome: Outcome, sent: tuple[str, bytes]
    ) -> None:
        """Move on when the delivery was taken or is given up; otherwise fix when to try again."""
        done = msgspec.structs.replace(progress, cursor=pending.after, pending=None)
        if not outcome.error:
            await self._advance(msgspec.structs.replace(done, delivered_at=_now_ms()))
            return
        attempts, now_ms = pending.attempts + 1, _now_ms()
        pause_ms = int(self._pace.pause_s(attempts, outcome.retry_after_s) * 1e3)
        in_time = now_ms + pause_ms - pending.begun_at < self._pace.give_up_s * 1e3
        if in_time or attempts < ATTEMPTS_MIN:
            failed = msgspec.structs.replace(
                pending, attempts=attempts, next_at=now_ms + pause_ms, error=outcome.error
            )
            await self._advance(msgspec.structs.replace(progress, pending=failed))
            return
        named, body = sent
        letter = DeadLetter(named, now_ms, attempts, outcome.error, msgspec.Raw(body))
        await self._advance(done, write(letter))

    async def _send_again(self, progress: Progress, to: Addressee) -> float:
        """Send the next dead letter a few times, quickly: whoever asked for it waits."""
        stored = (await self._ledger.again([self._key])).get(self._key)
        if stored is None:
            self.has_letters = False
            return 0.0
        letter, outcome = read_letter(stored), Outcome()
        for attempt in range(1, LETTER_ATTEMPTS + 1):
            outcome = await self._road.send(self._key, to, letter.id, bytes(letter.payload))
            if not outcome.error:
                break
            if attempt < LETTER_ATTEMPTS:
                await asyncio.sleep(self._pace.pause_s(attempt, 0.0))
        await self._ledger.settle_letter(self._key, stored, _still_dead(letter, outcome))
        if not outcome.error and progress.pending is not None:
            # The receiver is back: what waits for it need not wait any longer.
            pending = msgspec.structs.replace(progress.pending, next_at=0)
            await self._advance(msgspec.structs.replace(progress, pending=pending))
        return 0.0

    async def _advance(self, progress: Progress, letter: bytes = b"") -> None:
        """Write progress down. A step that came too late changes nothing: it is read again."""
        after = write(progress)
        step = await self._ledger.advance(self._token, self._key, self._stored, after, letter)
        if step == "lease_lost":
            raise LeaseLost
        self._written_at = time.monotonic()


def _still_dead(letter: DeadLetter, outcome: Outcome) -> bytes | None:
    """Return what is left of a letter that was sent again: nothing when it was taken."""
    if not outcome.error:
        return None
    attempts = letter.attempts + LETTER_ATTEMPTS
    return write(
        msgspec.structs.replace(letter, failed_at=_now_ms(), attempts=attempts, error=outcome.error)
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
