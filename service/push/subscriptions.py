"""A subscription to the alert log: from its first frame to hearing new alerts at once.

It has two states. *Behind*: it reads the log itself, at its client's speed, from its own
`positions`; this is how it begins (after `subscribed` and perhaps a snapshot), and where it goes
back to when its client's outbox is full. *Live*: it stands where the follower stands and is handed
bursts. It changes from behind to live in a step without an await, at equal positions, so nothing is
lost or sent twice between the two; and a burst costs no memory for a client that is late, because
the log keeps it.

What is read of the log is large while it is put in order, so few read at a time (the hub says who).
A client that is slow to take it gives its turn to others, and reads anew what it did not take.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

import anyio
import msgspec

from service.contract.alerts import LevelName, decode_states
from service.contract.cursor import Cursor, encode_cursor
from service.contract.frames import AccountState, Heartbeat, Subscribed, encode_frame
from service.contract.selection import Selection
from service.push.bursts import Burst, Frame
from service.push.follower import LogFollower
from service.push.outbox import Outbox
from service.risk.model import Level
from service.store.alert_log import LogTail
from service.store.keys import shard_of, split_tenant_key
from service.store.log_order import Entries, LogGap, LogOrder

SNAPSHOT_POOLS_MAX = 500  # of one account in one piece: a piece fits a frame
_ACCOUNTS_A_READ = 1_000
_PATIENCE_S = 0.1  # with a client that takes nothing, while it is its turn to read


class StoredAlerts(Entries, Protocol):
    """What a subscription that is behind reads; everything may raise StoreUnavailable."""

    async def tails(self) -> list[LogTail]: ...

    async def levels(self, shard: int) -> tuple[int, dict[str, bytes]]: ...

    async def levels_of(self, account_keys: Sequence[str]) -> dict[str, bytes]: ...


class AlertSubscription:
    """One client's interest in the log; the session owns it, the hub hands it bursts while `live`.

    `behind` is the session's: set when this subscription has to read the log again.
    """

    def __init__(
        self,
        subscription_id: str,
        selection: Selection,
        since: Cursor | None,
        *,
        outbox: Outbox,
        behind: asyncio.Event,
        frame_max: int,
    ) -> None:
        self.id = subscription_id
        self.selection = selection
        self.live = False
        self.sent_at = anyio.current_time()
        self._since = since
        self.reading = anyio.CancelScope()  # around the reading of the log, to break it off
        self._outbox = outbox
        self._behind = behind
        self._frame_max = frame_max
        self._positions: tuple[int, ...] = ()
        self._snapshot_due = False

    def deliver(self, burst: Burst, frames: Iterable[Frame]) -> bool:
        """Take a burst's frames; False when the outbox is full, and from there it is behind."""
        offsets = burst.before
        for frame in frames:
            if not self._outbox.offer(frame.text):
                self.live = False
                self._positions = offsets
                self._behind.set()
                return False
            offsets = frame.offsets
            self.sent_at = anyio.current_time()
        return True

    def beat(self, cursor: str) -> None:
        """Say that nothing happened; not worth waiting for when there is no room."""
        if self._outbox.offer(encode_frame(Heartbeat(self.id, cursor))):
            self.sent_at = anyio.current_time()

    async def begin(self, log: StoredAlerts, follower: LogFollower) -> None:
        """Come to where the log can be read on: say where it begins, wait for the client.

        Raises StoreUnavailable (it goes on where it was when called again).
        """
        if not self._positions:
            await self._join(log, follower)
        if self._snapshot_due:
            await self._send_snapshot(log, follower.epoch)
            self._snapshot_due = False
        # The client may come from a worker that is ahead of this one.
        await follower.reach(self._positions)
        await self._outbox.room()

    async def read_on(self, log: StoredAlerts, follower: LogFollower) -> bool:
        """Send what the log has more than the client, as long as it takes it soon.

        Returns whether it is where the follower is. Raises LogGap, StoreUnavailable.
        """
        ends = follower.positions
        self._pass_over(ends)
        order = LogOrder(self._positions)
        while self._positions != ends:
            if not await self._send_entries(log, follower, order, ends):
                return False
        return self._positions == follower.positions

    def _pass_over(self, ends: tuple[int, ...]) -> None:
        """Go to the end of the logs of shards that have none of our accounts.

        Thousands that come back to an account each would otherwise read everybody's alerts.
        """
        if self.selection.prefixes:
            return
        ours = {shard_of(key, len(ends)) for key in self.selection.exact}
        self._positions = tuple(
            have if shard in ours else max(have, end)
            for shard, (have, end) in enumerate(zip(self._positions, ends, strict=True))
        )

    async def _join(self, log: StoredAlerts, follower: LogFollower) -> None:
        """Decide where to begin, and say so."""
        await follower.ready()
        since, tails = self._since, await log.tails()
        recovered = since is not None and _covers(since, follower.epoch, tails)
        if recovered and since is not None:
            self._positions = since.offsets
        else:
            # The snapshot has all that is settled; it may lack what is in the log only, which
            # follows it, once the follower, who may be behind, has come so far.
            self._positions = tuple(max(tail.settled, tail.trimmed) for tail in tails)
        self._snapshot_due = not recovered
        cursor = encode_cursor(follower.epoch, self._positions)
        await self._send(
            encode_frame(Subscribed(self.id, "alerts", follower.epoch, recovered, cursor))
        )

    async def _send_entries(
        self, log: StoredAlerts, follower: LogFollower, order: LogOrder, ends: tuple[int, ...]
    ) -> bool:
        """Read and send the next alerts before `ends`, which are in the log; False: not all."""
        if await order.read(log, ends):
            raise LogGap
        burst = follower.burst(order.take(ends))
        for frame in burst.frames_for(self.id, self.selection):
            if not await self._outbox.put_within(frame.text, _PATIENCE_S):
                return False
            self.sent_at = anyio.current_time()
            self._positions = frame.offsets
        self._positions = burst.after
        return True

    async def _send_snapshot(self, log: StoredAlerts, epoch: str) -> None:
        """Send the accounts that are not HEALTHY now; later changes follow from the log."""
        opening = '{"type":"snapshot","id":' + msgspec.json.encode(self.id).decode()
        cursor = encode_cursor(epoch, self._positions)
        room = self._frame_max - len(cursor) - 512

        def frame(part: list[str], complete: str) -> str:
            rest = f'"complete":{complete},"cursor":"{cursor}"}}'
            return f'{opening},"accounts":[{",".join(part)}],{rest}'

        part: list[str] = []
        size = 0
        async for account in self._accounts(log):
            if part and size + len(account) > room:
                await self._send(frame(part, "false"))
                part, size = [], 0
            part.append(account)
            size += len(account) + 1
        await self._send(frame(part, "true"))

    async def _accounts(self, log: StoredAlerts) -> AsyncIterator[str]:
        """Yield the selection's accounts that are not HEALTHY, encoded."""
        async for levels in self._levels(log):
            for key, states in levels.items():
                for piece in _account_pieces(key, states, self.selection):
                    yield piece

    async def _levels(self, log: StoredAlerts) -> AsyncIterator[dict[str, bytes]]:
        if self.selection.prefixes:
            for shard in range(len(self._positions)):
                _, levels = await log.levels(shard)
                yield {k: v for k, v in levels.items() if self.selection.wants_account(k)}
            return
        names = sorted(self.selection.exact)
        for start in range(0, len(names), _ACCOUNTS_A_READ):
            yield await log.levels_of(names[start : start + _ACCOUNTS_A_READ])

    async def _send(self, text: str) -> None:
        await self._outbox.put(text)
        self.sent_at = anyio.current_time()


def _covers(since: Cursor, epoch: str, tails: list[LogTail]) -> bool:
    """Return whether the log has everything after the cursor, and the cursor is of this log."""
    return (
        since.epoch == epoch
        and len(since.offsets) == len(tails)
        and all(map(LogTail.reaches, tails, since.offsets))
    )


def _account_pieces(key: str, states: bytes, selection: Selection) -> list[str]:
    """Return an account's encoded states, in pieces that fit a frame; none when filtered out."""
    pools = decode_states(states)
    if not any(selection.wants_level(pool.level) for pool in pools):
        return []
    worst: LevelName = max((pool.level for pool in pools), key=lambda level: Level[level])
    return [
        msgspec.json.encode(
            AccountState(split_tenant_key(key)[1], worst, pools[start : start + SNAPSHOT_POOLS_MAX])
        ).decode()
        for start in range(0, len(pools), SNAPSHOT_POOLS_MAX)
    ]
