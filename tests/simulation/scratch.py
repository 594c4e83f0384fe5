"""All accounts judged from scratch after every mark: what the monitor's log must equal."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.batch import build_batch
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess
from service.risk.margin import PoolFigures
from service.risk.markets import MarketTable
from service.risk.model import Account, Instrument, Level, Mark
from tests.reference.entries import Entry, Logged, Quality
from tests.reference.levels import Judgement, Name, Standing
from tests.reference.log import Evaluator, ExactEvaluator, LogWriter, identity

NEVER = np.iinfo(np.int64).max // 2


class VectorisedEvaluator:
    """A `reference.log.Evaluator` over `assess`: the whole batch anew for every entry.

    A pool that waits, or is held where it stands, is spoken of again only when a comparison that
    its next level hangs on comes out otherwise, or its wait is over: the writer, who decides, would
    say the same again.
    """

    def __init__(self) -> None:
        self._table = MarketTable()
        self._accounts: dict[str, Account] = {}
        self._names: list[Name] = []
        self._slots: dict[Name, int] = {}
        self._batch: Batch | None = None
        self._pools: PoolFigures | None = None  # of the prices as they are
        self._level = np.zeros(0, np.int8)
        self._since_ms = np.zeros(0, np.int64)  # NEVER where it does not wait
        self._wait_ms = np.zeros(0, np.int64)
        self._lines: tuple[Floats, ...] = ()  # less the hysteresis
        self._told = np.zeros(0, np.int64)  # what the comparisons were when last spoken of
        self._now_ms = 0
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
        self._market_id, self._now_ms = entry.market_id, entry.event_time_ms
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
            self._table.judge_marks(payload.venue, payload.symbol, payload.verdict)

    def names(self) -> Iterable[Name]:
        self._current()
        return self._names

    def judge(self) -> Iterator[Judgement]:
        """Assess everything; speak of the pools whose table level is not where they stand."""
        batch = self._current()
        if self._pools is None:
            self._pools = assess(batch).pools
        pools = self._pools
        outcome = self._outcome(pools)
        unlike = (pools.level != self._level) | (self._since_ms != NEVER)
        over = self._now_ms - self._since_ms >= self._wait_ms
        slots = np.flatnonzero(unlike & ((outcome != self._told) | over))
        self._told[slots] = outcome[slots]
        for slot in slots.tolist():
            account = self._accounts[self._names[slot][0]]
            unpriced = bool(pools.unpriced[slot])
            yield Judgement(
                self._names[slot],
                Level(int(pools.level[slot])),
                bool(pools.open[slot]),
                Level(int(pools.most[slot])),
                account.thresholds,
                None if unpriced else float(pools.equity[slot]),
                None if unpriced else float(pools.maintenance_margin[slot]),
            )

    def _outcome(self, pools: PoolFigures) -> NDArray[np.int64]:
        """All that a pool's next level hangs on but where it stands and the time, in one number."""
        equity, maintenance = pools.equity, pools.maintenance_margin
        outcome = pools.level.astype(np.int64)
        with np.errstate(invalid="ignore"):  # NaN where unpriced
            held = [maintenance >= line * equity for line in self._lines]
            flags = [*held, equity < 0.0, maintenance == 0.0]
        for flag in (*flags, pools.open, pools.unpriced):
            outcome = 2 * outcome + flag
        return 8 * outcome + pools.most

    def settled(self, name: Name, standing: Standing) -> None:
        self._standings[identity(name)] = standing
        slot = self._slots.get(identity(name))
        if slot is not None and self._pools is not None:
            if self._level[slot] != standing.level:
                self._note(slot, name)
            self._level[slot] = standing.level
            self._since_ms[slot] = _since(standing)

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
        self._since_ms = np.array([_since(standing) for standing in stands], np.int64)
        limits = [self._accounts[account_key].thresholds for account_key, _ in self._names]
        self._wait_ms = np.array([limit.ease_after_ms for limit in limits], np.int64)
        gap = np.array([limit.hysteresis for limit in limits])
        own = ([limit.warning for limit in limits], [limit.margin_call for limit in limits])
        self._lines = tuple(np.array(line) - gap for line in (*own, [1.0] * len(limits)))
        self._told = np.full(len(limits), -1)


def _since(standing: Standing) -> int:
    return NEVER if standing.falling_since_ms is None else standing.falling_since_ms


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
