"""The leases of one monitor: what it owns by which token, and who else is there.

A lease lasts `LEASE_MS` and is renewed four times as often. Whoever does not come to that (killed,
stopped, cut off) loses it by doing nothing; then another one may take the shard, and the token of
that one shuts out every commit of the former owner.
"""

import logging
import time
from collections.abc import Collection, Iterable, Sequence

import msgspec

from service.monitor.ownership import View
from service.monitor.ports import LogPort, RollPort
from service.store.alert_log import LEASE_MS, ShardState

_log = logging.getLogger(__name__)

LEASE_S = LEASE_MS / 1_000.0


class _Told(msgspec.Struct):
    """What others must know of a monitor: how many shards it is taking in."""

    taking: int = 0


_decoder = msgspec.json.Decoder(_Told)


class Leases:
    """Takes, renews and gives back; a shard is in `held` from when we took it until we let go."""

    def __init__(self, log: LogPort, roll: RollPort, shards: int) -> None:
        self.held: dict[int, int] = {}  # token by shard
        self._log, self._roll, self._shards = log, roll, shards
        self._renewed_at = self._looked_at = time.monotonic()
        self._waits_until = 0.0

    @property
    def sure(self) -> bool:
        """Whether nobody else can have taken what we hold."""
        return time.monotonic() - self._renewed_at < LEASE_S

    async def renew(self) -> list[int]:
        """Say that we are alive; return the shards that are no longer ours."""
        began = time.monotonic()
        owned = list(self.held.items())
        lost = await self._log.renew(owned, LEASE_MS) if owned else []
        self._renewed_at = began
        for shard in lost:
            if self.held.get(shard) == dict(owned)[shard]:
                del self.held[shard]
        if lost:
            _log.warning("shards %s are dropped: another monitor owns them", sorted(lost))
        return lost

    async def look(self) -> View:
        """Return who is here and which shards have no owner.

        Who has not been able to look for some time sees nothing free: it was cut off, perhaps like
        everybody, and the others come to renew their leases first.
        """
        free = await self._log.unowned(self.held)
        members = await self._roll.members()
        now = time.monotonic()
        if now - self._looked_at > LEASE_S / 2.0:
            self._waits_until = now + LEASE_S
        self._looked_at = now
        if now < self._waits_until:
            free = []
        others = [told for name, told in members.items() if name != self._roll.name]
        return View(
            self._roll.name,
            frozenset(members) | {self._roll.name},
            self._shards,
            tuple(free),
            len(self.held),
            any(_decoder.decode(told).taking for told in others),
        )

    async def take(self, shards: Sequence[int]) -> dict[int, ShardState]:
        """Become the owner of those of the shards that are still free."""
        states = await self._log.acquire(shards, LEASE_MS)
        self.held.update({shard: state.token for shard, state in states.items()})
        return states

    async def give_back(self, shards: Iterable[int]) -> None:
        """Let others take these shards at once; if they cannot be told, when the leases end."""
        tokens = [(shard, self.held.pop(shard)) for shard in list(shards) if shard in self.held]
        if tokens:
            await self._log.renew(tokens, 0)

    def strays(self, in_hand: Collection[int]) -> list[int]:
        """Return the shards we own and do nothing with: they were dropped."""
        return [shard for shard in self.held if shard not in in_hand]
