"""The alert log from scratch: after every market entry every pool is judged anew.

What the monitor does by skipping what cannot have changed must come to exactly this list. The
evaluator is a part to plug in: exact (`ExactEvaluator`) or vectorised, for books too large for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from service.risk.model import Account, Instrument, Mark, PoolKey
from tests.reference.entries import Ack, Change, Entry, Logged, Quality
from tests.reference.levels import (
    Judgement,
    Name,
    Standing,
    capped,
    next_level,
    step,
    transition_of,
)
from tests.reference.pools import Pool, figures, pools_of, table_level
from tests.reference.reminders import Reminders
from tests.reference.world import World


class Evaluator(Protocol):
    """What the writer needs of whoever knows the accounts and the marks."""

    def replace(self, account_key: str, account: Account | None) -> None: ...

    def apply(self, entry: Entry) -> None:
        """Take a mark, a quality or an instrument; leave the rest alone."""

    def names(self) -> Iterable[Name]:
        """Every pool there is."""

    def judge(self) -> Iterable[Judgement]:
        """At least every pool whose table level is not its standing's, and every waiting one."""

    def settled(self, name: Name, standing: Standing) -> None:
        """A pool stands there from now on."""


class ExactEvaluator:
    """Judges every pool with the reference; a pool whose prices are as before is as before."""

    def __init__(self, world: World | None = None) -> None:
        self._world = World() if world is None else world
        self._accounts: dict[str, Account] = {}
        self._judged: dict[str, list[tuple[Name, Judgement]]] = {}  # with the pool's identity
        self._standings: dict[Name, Standing] = {}

    def replace(self, account_key: str, account: Account | None) -> None:
        self._accounts.pop(account_key, None)
        self._judged.pop(account_key, None)
        if account is not None:
            self._accounts[account_key] = account

    def apply(self, entry: Entry) -> None:
        payload = entry.payload
        if isinstance(payload, Mark):
            before = self._world.marks.get((payload.venue, payload.symbol))
            self._world.marks[payload.venue, payload.symbol] = payload
            if before is not None and _prices(before) == _prices(payload):
                return
        elif isinstance(payload, Instrument):
            self._world.instruments[payload.venue, payload.symbol] = payload
        elif isinstance(payload, Quality):
            self._world.verdicts[payload.venue, payload.symbol] = payload.verdict
        self._forget(payload)

    def _forget(self, payload: object) -> None:
        """Drop what a change of one symbol may change; pools in USD may hang on any."""
        if not isinstance(payload, Mark | Instrument | Quality):
            return
        for account_key, account in self._accounts.items():
            if account_key in self._judged and _hangs_on(account, payload.symbol):
                del self._judged[account_key]

    def names(self) -> Iterator[Name]:
        for account_key, account in self._accounts.items():
            yield from ((account_key, pool.key) for pool in pools_of(account, self._world))

    def judge(self) -> Iterator[Judgement]:
        for account_key, account in self._accounts.items():
            known = self._judged.get(account_key)
            if known is None:
                fresh = [judge_pool(account_key, pool) for pool in pools_of(account, self._world)]
                self._judged[account_key] = [(identity(judged.name), judged) for judged in fresh]
                yield from fresh
                continue
            for name, judged in known:
                standing = self._standings.get(name, Standing())
                if judged.table != standing.level or standing.falling_since_ms is not None:
                    yield judged

    def settled(self, name: Name, standing: Standing) -> None:
        self._standings[identity(name)] = standing


def _hangs_on(account: Account, symbol: str) -> bool:
    """Whether an account may look different when this symbol does; its assets' prices may too."""
    if any(position.symbol == symbol for position in account.positions):
        return True
    base = symbol.partition("/")[0]
    return account.collateral_mode == "multi" and (
        base in ("USDT", "USDC")
        or any(balance.asset == base for balance in account.balances)
        or any(position.symbol.endswith(f":{base}") for position in account.positions)
    )


def _prices(mark: Mark) -> tuple[float, float | None]:
    return (mark.mark_price, mark.index_price)


def judge_pool(account_key: str, pool: Pool) -> Judgement:
    worth = figures(pool)
    return Judgement(
        (account_key, pool.key),
        table_level(pool, worth),
        bool(pool.legs),
        pool.most,
        pool.thresholds,
        None if worth is None else worth.equity,
        None if worth is None else worth.maintenance,
    )


CAUSES: Mapping[type, str] = {
    Mark: "mark",
    Quality: "mark",
    Instrument: "instrument",
    type(None): "time",
}


def identity(name: Name) -> Name:
    """What makes a pool the same pool: an isolated one may have its settle asset corrected."""
    account_key, key = name
    return (account_key, replace(key, settle="")) if key.kind == "isolated" else name


@dataclass(frozen=True, slots=True)
class Move:
    """A pool before and after an entry; `waited`: it fell because its waiting ended."""

    account_key: str
    pool: PoolKey
    before: Standing
    after: Standing
    waited: bool


class LogWriter:
    """Feeds entries to an evaluator and writes down every change of a level."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.log: list[Logged] = []
        self.standings: dict[Name, Standing] = {}  # those that are not plainly HEALTHY, by identity
        self._keys: dict[Name, PoolKey] = {}  # as they were last named
        self._evaluator = evaluator
        self._seqs: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._reminders = Reminders()

    def feed(self, entry: Entry) -> None:
        """Take one entry; the second and later changes of one account make rounds of their own."""
        self._evaluator.apply(entry)
        if not isinstance(entry.payload, tuple):
            self._write(entry, CAUSES[type(entry.payload)], {})
            return
        for ack in entry.payload:
            if isinstance(ack, Ack):
                self._reminders.acknowledge(ack.account_key, ack.seq)
        rounds = versions_apart([one for one in entry.payload if isinstance(one, Change)])
        for changes in rounds or [[]]:
            for change in changes:
                self._versions[change.account_key] = change.version
                self._evaluator.replace(change.account_key, change.account)
                if change.account is not None:
                    self._reminders.rules[change.account_key] = change.account.thresholds
            causes = {change.account_key: change.cause for change in changes}
            self._write(entry, "account", causes)

    def _write(self, entry: Entry, cause: str, causes: Mapping[str, str]) -> None:
        """Judge all pools and log what changed: worse level first, then by account and pool."""
        moves = []
        for move in self._moves(entry):
            self._settle(move)
            if move.after.level != move.before.level:
                moves.append(move)
        moved = {identity((move.account_key, move.pool)) for move in moves}
        for name in list(self._reminders.due(self.standings, entry.event_time_ms)):
            if name not in moved:
                still = self.standings[name]
                moves.append(Move(name[0], self._keys[name], still, still, waited=True))
        moves.sort(key=lambda move: (-move.after.level, move.account_key, _order(move.pool)))
        for move in moves:
            seq = self._seqs[move.account_key] = self._seqs.get(move.account_key, 0) + 1
            self.log.append(
                Logged(
                    entry.market_id,
                    entry.event_time_ms,
                    move.account_key,
                    seq,
                    move.pool,
                    move.after.level,
                    move.before.level,
                    transition_of(move.before.level, move.after.level),
                    "time" if move.waited else causes.get(move.account_key, cause),
                    self._versions.get(move.account_key, 0),
                    self._remember(move, seq, entry.event_time_ms),
                )
            )

    def _remember(self, move: Move, seq: int, now_ms: int) -> int:
        """Note that a pool is told of; return the seq of the alert that is told again, or 0."""
        name = identity((move.account_key, move.pool))
        if move.before.level == move.after.level:
            return self._reminders.again(name, seq, now_ms)
        self._reminders.moved(name, move.after.level, seq, now_ms)
        return 0

    def _moves(self, entry: Entry) -> Iterator[Move]:
        """Yield where every pool stood before this entry and stands after it."""
        for judged in self._evaluator.judge():
            account_key, pool = judged.name
            before = self.standings.get(identity(judged.name), Standing())
            after = _follow(judged, before, entry.event_time_ms)
            yield Move(account_key, pool, before, after, waited=_has_waited(judged, before, after))
        if isinstance(entry.payload, tuple | Instrument):
            there = {identity(name) for name in self._evaluator.names()}
            for name, before in list(self.standings.items()):
                if name not in there:
                    yield Move(name[0], self._keys[name], before, Standing(), waited=False)

    def _settle(self, move: Move) -> None:
        name = (move.account_key, move.pool)
        same = identity(name)
        self._keys[same] = move.pool
        if move.after == Standing():
            self.standings.pop(same, None)
        else:
            self.standings[same] = move.after
        self._evaluator.settled(name, move.after)


def _follow(judged: Judgement, before: Standing, now: int) -> Standing:
    following = next_level(judged, before.level)
    following = capped(following, before.level, judged.most)
    return step(before, following, judged.is_open, judged.thresholds.ease_after_ms, now)


def _has_waited(judged: Judgement, before: Standing, after: Standing) -> bool:
    waits = before.falling_since_ms is not None and judged.thresholds.ease_after_ms > 0
    return waits and judged.is_open and after.level < before.level


def versions_apart(changes: Sequence[Change]) -> list[list[Change]]:
    """The first change of each account, then the second of those that have one, and so on."""
    rounds: list[list[Change]] = []
    seen: dict[str, int] = {}
    for change in changes:
        number = seen.get(change.account_key, 0)
        seen[change.account_key] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return rounds


def _order(key: PoolKey) -> tuple[str, str, str, str]:
    return (key.kind, key.settle, key.symbol, key.side)
