"""From where a pool stood to the alert: its figures and its level, entry by entry.

A rise, and whatever needs no wait, follows from two moments: the entry before the alert's, at which
the pool must still have stood where the alert says, and the alert's own. A fall follows from every
entry since it began to wait, with the version of the account that counted at each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from service.audit.evidence import Archive, Evidence, Version, falls
from service.audit.recorded import Recorded
from service.audit.standing import Standing, after
from service.audit.sums import PoolSum, sum_up
from service.errors import NoLongerKept
from service.monitor.bindings import read_notice
from service.risk.model import Account, Level
from service.risk.symbols import sources
from service.store.market_stream import MarketEntry


@dataclass(slots=True)
class Walk:
    """What came of it. `surprises`: what the log should have said otherwise, in words.

    `found` and `before` are None where the account has no such pool (any more).
    """

    evidence: Evidence
    recorded: Recorded  # as of the alert's entry
    standing: Standing
    found: PoolSum | None = None
    stood: Standing | None = None  # before the alert's entry
    before: PoolSum | None = None
    marks_before: Recorded = field(default_factory=Recorded)  # as of the entry before
    waits_from: int = 0  # the entry at which a fall began to wait; 0: none waits
    entries: int = 0  # walked through
    surprises: list[str] = field(default_factory=list)


async def walk(evidence: Evidence, archive: Archive, pegged: frozenset[str]) -> Walk:
    """Go from where the evidence begins to the alert; raises NoLongerKept."""
    walker = _Walker(evidence, pegged)
    last = evidence.alert.market_id - 1
    walker.begin()
    async for entry in archive.entries(evidence.start.market_id, last):
        walker.pass_by(entry)
    walker.arrive()
    return walker.walk


class _Walker:
    def __init__(self, evidence: Evidence, pegged: frozenset[str]) -> None:
        alert, told = evidence.alert, evidence.standing_from
        self.walk = Walk(evidence, evidence.start, Standing(Level[alert.previous_level]))
        self._evidence, self._pegged = evidence, pegged
        self._walks = told is not None and falls(alert)
        self._begin = told.market_id if told is not None and self._walks else alert.market_id
        self._at = 0  # the version that counts
        self._changed = True  # since the figures were last made
        self._symbols, self._any = set[str](), False
        self._figures: PoolSum | None = None
        self._count_version(0)
        if told is not None and told.level != alert.previous_level:
            self._wonder(f"alert {told.id} brought it to {told.level}, not {alert.previous_level}")

    def begin(self) -> None:
        """Evaluate where the walk begins, unless the pool came to its level only later."""
        if self._walks and self.walk.recorded.market_id >= self._begin:
            self._evaluate()

    def pass_by(self, entry: MarketEntry) -> None:
        """Take an entry before the alert's."""
        self._take(entry)
        if not self._walks or entry.market_id <= self._begin:
            return
        before = self.walk.standing.level
        self._judge(entry)
        if self.walk.standing.level != before:
            level = self.walk.standing.level.name
            self._wonder(f"entry {entry.market_id} would have brought it to {level} already")
            self.walk.standing = Standing(before)

    def arrive(self) -> None:
        """Take the alert's own entry."""
        walk, entry = self.walk, self._evidence.came_by
        self._look_back()
        walk.stood = walk.standing
        self._take(entry)
        self._judge(entry)
        if self._at != len(self._evidence.versions) - 1:
            self._wonder(f"entry {entry.market_id} has not brought the account's version")
        walk.found = self._figures

    def _look_back(self) -> None:
        """Note where the pool stood at the entry before: not yet where the alert says it went."""
        walk, alert = self.walk, self._evidence.alert
        version = self._evidence.before or self._evidence.versions[self._at]
        if self._evidence.before is None and self._evidence.came_by.kind == "a" and not self._walks:
            return  # what the account was before is not kept, or there was none
        if version.account is None:
            return
        walk.before = sum_up(version.account, alert.pool, walk.recorded, self._pegged)
        walk.marks_before = walk.recorded.copy()
        if walk.before is None or self._walks:
            return
        lines, time_ms = version.account.thresholds, walk.recorded.event_time_ms
        level = after(walk.standing, walk.before, lines, time_ms).level
        if level != walk.standing.level:
            self._wonder(f"it would have stood at {level.name} by the entry before already")

    def _take(self, entry: MarketEntry) -> None:
        self.walk.entries += 1
        key = self.walk.recorded.take(entry)
        if key is not None and (self._any or key[1] in self._symbols):
            self._changed = True

    def _judge(self, entry: MarketEntry) -> None:
        """Evaluate after an entry: once for each version it brings in, else once."""
        brought = False
        for _ in self._versions_in(entry):
            self._evaluate()
            brought = True
        if not brought:
            self._evaluate()

    def _versions_in(self, entry: MarketEntry) -> Iterator[None]:
        """Yield once for each version that an entry brings in, when it counts."""
        if entry.kind != "a" or (notice := read_notice(entry)).shard != self._evidence.shard:
            return
        for place in range(self._at + 1, len(self._evidence.versions)):
            version = self._evidence.versions[place]
            if version.change_id is None:
                raise NoLongerKept(f"when version {version.number} came is not kept any more")
            if version.change_id > notice.upto:
                return
            self._count_version(place)
            yield

    def _evaluate(self) -> None:
        walk, alert = self.walk, self._evidence.alert
        account = self._version.account
        if self._changed:
            self._figures = (
                None
                if account is None
                else sum_up(account, alert.pool, walk.recorded, self._pegged)
            )
            self._changed = False
        if account is None or self._figures is None:
            walk.standing = Standing(Level.HEALTHY)  # a pool that is gone has nothing to lose
            return
        waited = walk.standing.pending_since_ms
        time_ms = walk.recorded.event_time_ms
        walk.standing = after(walk.standing, self._figures, account.thresholds, time_ms)
        if walk.standing.pending_since_ms not in (None, waited):
            walk.waits_from = walk.recorded.market_id

    @property
    def _version(self) -> Version:
        return self._evidence.versions[self._at]

    def _count_version(self, place: int) -> None:
        self._at, self._changed = place, True
        account = self._version.account
        self._symbols = set() if account is None else symbols_of(account)
        self._any = account is not None and account.collateral_mode == "multi"

    def _wonder(self, text: str) -> None:
        self.walk.surprises.append(text)


def symbols_of(account: Account) -> set[str]:
    """Return the symbols that an account's figures hang on; more may, where balances back all."""
    symbols = {position.symbol for position in account.positions}
    if account.collateral_mode == "multi":
        settles = {symbol.partition(":")[2] for symbol in symbols}
        for asset in settles | {balance.asset for balance in account.balances}:
            symbols.update(sources(asset))
    return symbols
