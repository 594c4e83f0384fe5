"""All accounts judged from scratch after every mark: what the monitor's log must equal."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.risk.batch import build_batch
from service.risk.columns import Batch
from service.risk.evaluate import assess
from service.risk.margin import PoolFigures
from service.risk.markets import MarketTable
from service.risk.model import Account, Instrument, Level, Mark
from tests.reference.levels import Judgement, Name, Standing
from tests.reference.log import (
    Entry,
    Evaluator,
    ExactEvaluator,
    Logged,
    LogWriter,
    Quality,
    identity,
)


class VectorisedEvaluator:
    """A `reference.log.Evaluator` over `assess`: the whole batch anew for every entry."""

    def __init__(self) -> None:
        self._table = MarketTable()
        self._accounts: dict[str, Account] = {}
        self._names: list[Name] = []
        self._slots: dict[Name, int] = {}
        self._batch: Batch | None = None
        self._pools: PoolFigures | None = None  # of the prices as they are
        self._level = np.zeros(0, np.int8)
        self._waiting = np.zeros(0, np.bool_)
        self._standings: dict[Name, Standing] = {}
        self._market_id = 0
        self.figures: dict[tuple[int, Name], tuple[float, float]] = {}  # equity, maintenance

    def replace(self, account_key: str, account: Account | None) -> None:
        self._accounts.pop(account_key, None)
        if account is not None:
            self._accounts[account_key] = account
        self._batch = None

    def apply(self, entry: Entry) -> None:
        payload = entry.payload
        self._market_id = entry.market_id
        if isinstance(payload, Mark):
            before = self._prices()
            self._table.put_mark(payload, entry.event_time_ms)
            if before != self._prices():  # the same prices would give the same figures
                self._pools = None
            return
        self._pools = None
        if isinstance(payload, Instrument):
            self._table.put_instrument(payload)
            self._batch = None
        elif isinstance(payload, Quality):
            self._table.set_stale(payload.venue, payload.symbol, payload.stale)

    def names(self) -> Iterable[Name]:
        self._current()
        return self._names

    def judge(self) -> Iterator[Judgement]:
        """Assess everything; speak of the pools whose table level is not where they stand."""
        batch = self._current()
        if self._pools is None:
            self._pools = assess(batch).pools
        pools = self._pools
        for slot in np.flatnonzero((pools.level != self._level) | self._waiting).tolist():
            account = self._accounts[self._names[slot][0]]
            unpriced = bool(pools.unpriced[slot])
            yield Judgement(
                self._names[slot],
                Level(int(pools.level[slot])),
                bool(pools.open[slot]),
                bool(pools.stale[slot]),
                account.thresholds,
                None if unpriced else float(pools.equity[slot]),
                None if unpriced else float(pools.maintenance_margin[slot]),
            )

    def settled(self, name: Name, standing: Standing) -> None:
        self._standings[identity(name)] = standing
        slot = self._slots.get(identity(name))
        if slot is not None and self._pools is not None:
            if self._level[slot] != standing.level:
                self._note(slot, name)
            self._level[slot] = standing.level
            self._waiting[slot] = standing.falling_since_ms is not None

    def _note(self, slot: int, name: Name) -> None:
        """Keep the figures a pool changed its level with."""
        assert self._pools is not None
        equity, maintenance = self._pools.equity[slot], self._pools.maintenance_margin[slot]
        self.figures[self._market_id, identity(name)] = (float(equity), float(maintenance))

    def _prices(self) -> tuple[bytes, bytes]:
        return self._table.columns().mark.tobytes(), self._table.asset_prices().tobytes()

    def _current(self) -> Batch:
        if self._batch is None:
            self._build(list(self._accounts.values()))
        assert self._batch is not None
        # Marks and asset prices are views of the table's live columns; a table that grew has new
        # ones.
        self._batch.markets = self._table.columns()
        self._batch.asset_price = self._table.asset_prices()
        return self._batch

    def _build(self, accounts: Sequence[Account]) -> None:
        self._pools = None
        self._batch, keys = build_batch(accounts, self._table)
        self._names = [
            (account.account_key, key)
            for account, pool_keys in zip(accounts, keys, strict=True)
            for key in pool_keys
        ]
        self._slots = {identity(name): slot for slot, name in enumerate(self._names)}
        stands = [self._standings.get(identity(name), Standing()) for name in self._names]
        self._level = np.array([standing.level for standing in stands], np.int8)
        self._waiting = np.array([s.falling_since_ms is not None for s in stands], np.bool_)


@dataclass(frozen=True, slots=True)
class Truth:
    """What some entries must lead to, by judging everybody after each of them."""

    log: list[Logged]
    figures: dict[tuple[int, Name], tuple[float, float]]  # equity, maintenance


def judge_all(entries: Sequence[Entry]) -> Truth:
    """Judge all accounts with the vectorised engine."""
    evaluator = VectorisedEvaluator()
    return Truth(_fed(entries, evaluator), evaluator.figures)


def judge_exactly(entries: Sequence[Entry]) -> list[Logged]:
    """Judge with the exact reference."""
    return _fed(entries, ExactEvaluator())


def _fed(entries: Sequence[Entry], evaluator: Evaluator) -> list[Logged]:
    writer = LogWriter(evaluator)
    for entry in entries:
        writer.feed(entry)
    return writer.log
