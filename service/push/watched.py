"""Who watches the risk of which accounts, and what a worker knows of one that is watched."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from service.push.conflated import Conflated
from service.push.outbox import Outbox


class RiskSubscription(Conflated):
    """The states of these accounts."""

    def __init__(self, subscription_id: str, keys: Iterable[str], outbox: Outbox) -> None:
        super().__init__(subscription_id, "risk", "accounts", outbox)
        self.keys = frozenset(keys)


@dataclass(eq=False, slots=True)
class Watched:
    """One account that somebody watches."""

    key: str
    shard: int
    listeners: set[RiskSubscription] = field(default_factory=set)
    version: int = -1  # that was read
    doc: bytes | None = None  # None: there is no such account
    states: bytes | None = None
    symbols: set[str] | None = field(default_factory=set)  # None: it hangs on all
    unread: bool = True  # the account may be another by now
    levels_until: int = 0  # offset of the shard's log that the levels must have reached
    levels_unread: bool = True
    due_at: float = 0.0
    moved: bool = True  # since it was told of, as far as we know
    told: str | None = None
