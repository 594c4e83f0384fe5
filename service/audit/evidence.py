"""What an alert is derived from, as the store still has it: nothing is guessed, nothing filled in.

Of the log: the alert, and the one that brought its pool to where it stood before. Of the account:
the version it was judged by, the one before, all between those two alerts. Of the market: what was
said as of the entry before the alert's, the entry itself, and for a fall all entries since the
fall can have begun to wait. What is no longer kept is named by `NoLongerKept`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from service.audit.recorded import Recorded
from service.contract.accounts import decode_account
from service.contract.alerts import Alert, decode_alert
from service.errors import NoLongerKept, UnknownAlert
from service.risk.model import Account, Level
from service.store.history import AccountVersion, History
from service.store.market_stream import MarketEntry, MarketStream

ENTRIES_A_READ = 1_000  # some milliseconds: others have their turn in between
_ACCOUNT_CAUSES = frozenset(("account", "funding", "deposit", "withdrawal", "fee", "pnl"))


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an account; no account where it is a deletion."""

    number: int
    account: Account | None
    change_id: int | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything one alert follows from.

    `start` is the market as of where the walk to the alert begins; `standing_from` the alert that
    brought the pool to the level it had then (None: it is not needed); `versions` are in order, the
    last is the alert's. `before` is the version that the alert's replaced, where the alert came by
    that.
    """

    account_key: str
    shard: int
    raw: bytes  # as logged
    alert: Alert
    came_by: MarketEntry
    start: Recorded
    standing_from: Alert | None
    versions: list[Version]
    before: Version | None


class Archive:
    """Finds evidence in the store."""

    def __init__(self, history: History, market: MarketStream) -> None:
        self._history = history
        self._market = market

    async def find(self, account_key: str, seq: int) -> Evidence:
        """Return what an alert follows from; raises UnknownAlert, NoLongerKept."""
        raw, alert, told = await self._from_log(account_key, seq)
        versions, before = await self._versions(account_key, alert, told)
        entry, last_ms = await self._entry(alert.market_id)
        earliest_ms = last_ms
        if falls(alert):
            earliest_ms -= max(
                (one.account.thresholds.ease_after_ms for one in versions if one.account), default=0
            )
        anchor = None if told is None else told.market_id
        if len(versions) > 1:
            earliest_ms = -1  # which version counted when is known from that alert on
        start = await self._start(alert.market_id, anchor, earliest_ms)
        shard = self._history.shard_of(account_key)
        return Evidence(account_key, shard, raw, alert, entry, start, told, versions, before)

    def entries(self, after: int, upto: int) -> AsyncIterator[MarketEntry]:
        """Yield the entries with after < market id <= upto; raises NoLongerKept at a gap."""
        return _entries(self._market, after, upto)

    async def _from_log(self, account_key: str, seq: int) -> tuple[bytes, Alert, Alert | None]:
        """Return an alert, and where it falls or repeats the one that it goes back to."""
        found: tuple[bytes, Alert] | None = None
        async for raw in self._history.alerts(account_key):
            alert = decode_alert(raw)
            if found is None:
                if alert.seq == seq:
                    found = raw, alert
                    if not (falls(alert) or alert.transition == "repeat"):
                        return raw, alert, None
                continue
            if alert.pool == found[1].pool and (
                alert.transition != "repeat" or found[1].transition == "repeat"
            ):
                return *found, alert
        if found is None:
            raise UnknownAlert("there is no such alert in the log")
        raise NoLongerKept("the alert that brought its pool to the level it had is not in the log")

    async def _versions(
        self, account_key: str, alert: Alert, told: Alert | None
    ) -> tuple[list[Version], Version | None]:
        last = alert.account_version
        first = told.account_version if told is not None and falls(alert) else last
        by_write = alert.cause in _ACCOUNT_CAUSES
        kept = await self._history.versions(account_key, min(first, last - by_write), last)
        for number in range(first, last + 1):
            if number not in kept:
                raise NoLongerKept(f"version {number} of the account is not kept any more")
        read = {number: _read(account_key, version) for number, version in kept.items()}
        before = read.get(last - 1) if by_write else None
        return [read[number] for number in range(first, last + 1)], before

    async def _entry(self, market_id: int) -> tuple[MarketEntry, int]:
        """Return an entry, and the event time of the one before."""
        found = await self._market.read(max(market_id - 2, 0), 2)
        there = {entry.market_id: entry for entry in found}
        if market_id not in there or (market_id > 1 and market_id - 1 not in there):
            raise NoLongerKept(f"entry {market_id} of the market stream is not kept any more")
        last_ms = there[market_id - 1].event_time_ms if market_id > 1 else 0
        return there[market_id], last_ms

    async def _start(self, market_id: int, anchor: int | None, earliest_ms: int) -> Recorded:
        """Return the market as of the newest snapshot from which all that matters can be walked.

        It is before the alert's entry, and before `earliest_ms` or the alert `anchor`.
        """
        wanted = market_id - 1
        while (found := await self._market.load_snapshot(wanted)) is not None:
            start = Recorded.of(*found)
            if start.event_time_ms <= earliest_ms or (anchor or 0) >= start.market_id > 0:
                return start
            wanted = start.market_id - 1
        (first,) = await self._market.read(0, 1)
        if first.market_id != 1:
            raise NoLongerKept(
                f"the market stream is kept from entry {first.market_id} on, "
                "without a snapshot before what this alert follows from"
            )
        return Recorded()


async def _entries(market: MarketStream, after: int, upto: int) -> AsyncIterator[MarketEntry]:
    while after < upto:
        rows = await market.read(after, min(ENTRIES_A_READ, upto - after))
        for entry in rows:
            if entry.market_id != after + 1:
                break
            yield entry
            after = entry.market_id
        else:
            if rows:
                continue
        raise NoLongerKept(f"entry {after + 1} of the market stream is not kept any more")


def falls(alert: Alert) -> bool:
    """Whether an alert says that its pool stands lower than before."""
    return Level[alert.level] < Level[alert.previous_level]


def _read(account_key: str, version: AccountVersion) -> Version:
    account = None if version.doc is None else decode_account(version.doc, account_key)
    return Version(version.version, account, version.change_id, version.cause)
