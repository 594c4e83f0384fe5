"""Writes alerts into the logs as a monitor would: numbered commits, sent until answered."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.alerts import (
    Alert,
    AlertPosition,
    CrossPool,
    LevelName,
    PoolState,
    ToRestore,
    alert_id,
    encode_alert,
    encode_state,
    join_states,
)
from service.errors import StoreUnavailable
from service.risk.model import Level
from service.store import keys
from service.store.alert_log import AlertLog, Commit, Outcome, ShardState
from service.store.log_entries import LogBlock, Rank, Run, join_alerts

LEASE_MS = 600_000
_POOL = CrossPool("USDT")


@dataclass
class _Shard:
    state: ShardState
    number: int
    offset: int


class LogWriter:
    """The owner of every shard; `written` is the truth a test compares with: each alert once."""

    def __init__(self, log: AlertLog, shards: int, tenant: str = keys.DEFAULT_TENANT) -> None:
        self._log = log
        self._shards = shards
        self._tenant = tenant
        self._owned: dict[int, _Shard] = {}
        self._seqs: dict[str, int] = {}
        self._market_id = 0
        self.written: list[Alert] = []

    async def write(
        self,
        accounts: Sequence[str],
        level: LevelName = "WARNING",
        *,
        padding: int = 0,
        levels: bool = True,
    ) -> None:
        """Log one alert for each of the accounts, all shards' commits together.

        Without `levels` as a part of a burst: the levels are still to come.
        """
        by_shard: dict[int, list[str]] = {}
        self._market_id += 1
        for account in sorted(accounts):
            key = keys.tenant_key(self._tenant, account)
            by_shard.setdefault(keys.shard_of(key, self._shards), []).append(account)
        alerts = {
            shard: [self._alert(name, level, padding) for name in names]
            for shard, names in by_shard.items()
        }
        commits = [(shard, await self._next(shard, mine, levels)) for shard, mine in alerts.items()]
        assert set(await self._send(commits)) <= {"committed", "repeated"}
        for shard, mine in alerts.items():
            self._owned[shard].number += 1
            self._owned[shard].offset += len(mine)
            self.written += mine

    async def settle(self, account: str, level: LevelName) -> None:
        """Commit the level of an account whose last alert was logged as a part of a burst."""
        key = keys.tenant_key(self._tenant, account)
        shard, seq = keys.shard_of(key, self._shards), self._seqs[account]
        owned = self._owned[shard]
        owned.number += 1
        states = join_states([encode_state(PoolState(_POOL, level, seq))])
        place = (owned.state.token, owned.number, 0, 0, owned.offset)
        commit = Commit(*place, levels=[(key, states)], seqs=[(key, seq)])
        assert await self._send([(shard, commit)]) == ["committed"]

    def take_over(self, other: "LogWriter") -> None:
        """Go on as the owner of what the other owns."""
        self._owned, self._market_id = other._owned, other._market_id

    async def _next(self, shard: int, alerts: list[Alert], levels: bool) -> Commit:
        if shard not in self._owned:
            state = (await self._log.acquire([shard], LEASE_MS))[shard]
            self._owned[shard] = _Shard(state, state.number, state.offset)
        owned = self._owned[shard]
        account_keys = [keys.tenant_key(self._tenant, alert.account_id) for alert in alerts]
        states = [PoolState(_POOL, alert.level, alert.seq) for alert in alerts]
        healthy = [alert.level == "HEALTHY" for alert in alerts]
        rank = Rank(self._market_id, 0, Level[alerts[0].level])
        block = join_alerts([encode_alert(each) for each in alerts])
        return Commit(
            owned.state.token,
            owned.number + 1,
            0,  # the market stream has nothing either
            0,
            owned.offset,
            levels=[
                (key, b"" if at_rest else join_states([encode_state(state)]))
                for key, state, at_rest in zip(account_keys, states, healthy, strict=True)
                if levels
            ],
            seqs=[(key, alert.seq) for key, alert in zip(account_keys, alerts, strict=True)],
            ahead=0 if levels else len(alerts),
            blocks=[LogBlock(account_keys, block, [Run(rank, len(alerts))])],
        )

    async def _send(self, commits: list[tuple[int, Commit]]) -> list[Outcome]:
        while True:
            try:
                return await self._log.commit(commits)
            except StoreUnavailable:
                await asyncio.sleep(0.02)

    def _alert(self, account: str, level: LevelName, padding: int) -> Alert:
        seq = self._seqs[account] = self._seqs.get(account, 0) + 1
        position = AlertPosition("BTC/USDT:USDT", "long", 60_000.0, 55_000.0, 54_000.0, 8.3)
        return Alert(
            id=alert_id(account, seq),
            epoch="test",
            account_id=account,
            seq=seq,
            pool=_POOL,
            level=level,
            previous_level="HEALTHY",
            transition="raised",
            cause="mark",
            margin_ratio=None,
            equity=1_000.0,
            maintenance_margin=500.0 + random.random(),
            margin_deficit=0.0,
            shortfall=0.0,
            owed=0.0,
            to_restore=ToRestore(10.0, []),
            positions=[position] * (1 + padding),
            market_id=self._market_id,
            account_version=1,
            event_time=1_700_000_000_000,
            timestamp=1_700_000_000_001,
        )
