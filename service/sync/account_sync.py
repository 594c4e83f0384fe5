"""One account kept as its venue says it is: snapshots on a timer, and sooner when something stirs.

A snapshot is read whole, understood whole and written whole, or nothing is written. Nothing is
remembered between snapshots but figures: whatever was lost on the way, the next one repairs.
"""

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, Protocol

import httpx

from service.contract.sync import SyncFigures
from service.errors import InvalidInput, ServiceError, StoreUnavailable, VersionMismatch
from service.sync.configured import SyncedAccount
from service.sync.exchange import Snapshot, VenueTrouble
from service.sync.venue_calls import Permissions
from service.sync.writing import AccountDoor, Leg, legs_of
from service.unified.account import read_account
from service.unified.records import AccountReading

_log = logging.getLogger("plimsoll.sync")


@dataclass(frozen=True, slots=True)
class SyncPace:
    """How fast an account is asked for. Waits after failures have full jitter and double."""

    hint_gap_s: float = 2.0  # between two snapshots, however much stirs
    delay_first_s: float = 1.0
    delay_max_s: float = 300.0
    throttled_first_s: float = 15.0  # a venue that says "too many" is left alone at once
    within_s: float = 60.0  # a snapshot takes no longer


class Venue(Protocol):
    """What is asked of an account's venue; each may raise VenueTrouble."""

    @property
    def can_watch(self) -> bool: ...

    async def snapshot(self) -> Snapshot: ...

    async def changed(self) -> None: ...

    async def clock_offset_ms(self) -> float | None: ...

    async def permissions(self) -> Permissions: ...


class AccountSync:
    """Keeps one account until cancelled."""

    def __init__(
        self,
        account: SyncedAccount,
        venue: Venue,
        client: httpx.AsyncClient,
        pace: SyncPace | None = None,
    ) -> None:
        self.name = account.account_id
        self._account = account
        self._venue = venue
        self._door = AccountDoor(client, account.account_id)
        self._pace = pace or SyncPace()
        self._stirred = asyncio.Event()
        self._failures = 0
        self._fresh_s: float | None = None
        self._troubles: Counter[str] = Counter()
        self._remarks: Counter[str] = Counter()
        self._figures = SyncFigures(account.exchange, account.every_s)

    async def run(self) -> None:
        """Keep the account."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._rounds(), name=f"snapshots of {self.name}")
            if self._venue.can_watch:
                tasks.create_task(self._hints(), name=f"hints of {self.name}")

    def figures(self) -> SyncFigures:
        """Return how it goes."""
        told = self._figures
        told.age_s = None if self._fresh_s is None else _now_s() - self._fresh_s
        told.troubles, told.remarks = dict(self._troubles), dict(self._remarks)
        return told

    async def _rounds(self) -> NoReturn:
        while True:
            await asyncio.sleep(await self._try())
            if not self._failures:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._account.every_s - self._pace.hint_gap_s):
                        await self._stirred.wait()
            self._stirred.clear()

    async def _try(self) -> float:
        """Take a snapshot over; return how long to wait at least."""
        try:
            async with asyncio.timeout(self._pace.within_s):
                await self.once()
        except VenueTrouble as trouble:
            return self._failed(trouble.kind, trouble.detail)
        except VersionMismatch as error:
            return self._failed("overtaken", error.detail)
        except StoreUnavailable as error:
            return self._failed("service_away", error.detail)
        except InvalidInput as error:
            return self._failed("not_understood", _in_words(error))
        except TimeoutError:
            return self._failed("away", f"no snapshot within {self._pace.within_s:g} s")
        if self._failures:
            _log.info("%s: kept again", self.name)
        self._failures, self._figures.trouble = 0, ""
        return min(self._pace.hint_gap_s, self._account.every_s)

    async def once(self) -> AccountReading:
        """Read the venue's account, compare it with the stored one, and write it.

        Raises VenueTrouble, and InvalidInput, StoreUnavailable or VersionMismatch of the service.
        """
        if not self._figures.snapshots:
            await self.look()
        else:
            self._figures.clock_offset_ms = await self._venue.clock_offset_ms()
        reading = await self.read()
        stored = await self._door.stored()
        vanished = legs_of(stored.document) - legs_of(reading.document)
        if vanished:
            # Told before it is written: killed in between, it is told again rather than never.
            self._tell(vanished, await self._door.beyond())
        if await self._door.replace(stored, reading.document):
            self._figures.written += 1
        self._figures.vanished += len(vanished)
        self._fresh_s = _now_s()
        return reading

    async def read(self) -> AccountReading:
        """Return the account as its venue has it now; nothing is written."""
        snapshot = await self._venue.snapshot()
        self._figures.snapshots += 1
        reading = read_account(
            self._account.venue, snapshot.positions, snapshot.balance, self._account.terms
        )
        self._figures.positions = len(reading.document.positions or ())
        before, self._remarks = self._remarks, Counter(one.code for one in reading.remarks)
        if self._remarks.keys() - before.keys():
            for one in reading.remarks:
                _log.info("%s: %s: %s (%s)", self.name, one.pointer, one.detail, one.code)
        return reading

    async def look(self) -> Permissions:
        """Measure the venue's clock and return what the key may do; says so where it is much."""
        self._figures.clock_offset_ms = await self._venue.clock_offset_ms()
        try:
            told = await self._venue.permissions()
        except VenueTrouble as trouble:
            told = Permissions(None, f"not told: {trouble.detail}")
        self._figures.may_trade = told.may_trade
        if told.may_trade:
            _log.warning(
                "%s: this key may do more than read (%s): one that reads is enough",
                self.name,
                told.said,
            )
        return told

    def _tell(self, vanished: set[Leg], beyond: set[Leg]) -> None:
        for leg in sorted(vanished):
            if leg in beyond:
                self._figures.vanished_beyond += 1
                _log.warning("%s: %s is gone, and was beyond liquidation", self.name, _named(leg))
            else:
                _log.info("%s: %s is gone", self.name, _named(leg))

    def _failed(self, kind: str, detail: str) -> float:
        """Count a failure; return how long to wait, with full jitter."""
        first_s = self._pace.throttled_first_s if kind == "throttled" else self._pace.delay_first_s
        bound_s = min(self._pace.delay_max_s, first_s * 2.0 ** min(self._failures, 16))
        # What a venue asks for is at least kept by half; the rest keeps processes apart.
        floor_s = bound_s / 2.0 if kind == "throttled" else 0.0
        wait_s = random.uniform(floor_s, bound_s)
        self._failures += 1
        self._troubles[kind] += 1
        if self._figures.trouble != kind:
            _log.warning("%s: %s: %s; again in %.1f s", self.name, kind, detail, wait_s)
        self._figures.trouble = kind
        return wait_s

    async def _hints(self) -> NoReturn:
        """Listen for changes; what is heard only makes the next snapshot come sooner."""
        failures = 0
        while True:
            listening = asyncio.create_task(self._venue.changed(), name=f"change of {self.name}")
            try:
                await asyncio.wait([listening])
            finally:
                listening.cancel()
            # A future of ccxt's that is cancelled must not end this task with it.
            lost = "cancelled" if listening.cancelled() else listening.exception()
            if lost is None:
                failures = 0
                self._figures.hints += 1
                self._stirred.set()
                continue
            self._troubles["hints"] += 1
            _log.debug("%s: no hints: %s", self.name, lost)
            bound_s = self._pace.delay_first_s * 2.0 ** min(failures, 16)
            failures += 1
            await asyncio.sleep(random.uniform(0.0, min(self._pace.delay_max_s, bound_s)))


def _named(leg: Leg) -> str:
    return f"{leg.symbol} {leg.side} ({leg.margin_mode})"


def _in_words(error: ServiceError) -> str:
    said = "; ".join(f"{fault.pointer} {fault.code}: {fault.detail}" for fault in error.faults)
    return said or error.detail


def _now_s() -> float:
    return asyncio.get_running_loop().time()
