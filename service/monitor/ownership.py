"""Who should own which shards: a rule that every monitor works out alike and no one enforces.

Every monitor knows who is alive and which shards have no owner. Its share is fixed by its place
among the names, so the shares add up to all shards and differ by one at most. Who has less takes
free shards, who has more gives some back; a shard with a live owner is never taken. So the only
thing that moves is what is too much somewhere, and when all have their share nothing moves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PORTION_ACCOUNTS = 20_000  # about a second's work to take in: so long is a moving shard unserved
PORTION_SHARDS = 16


@dataclass(frozen=True, slots=True)
class View:
    """What one monitor sees: `held` are its own shards, `busy`: another one is taking some in."""

    name: str
    members: frozenset[str]  # with us
    shards: int
    free: tuple[int, ...]
    held: int
    busy: bool

    @property
    def share(self) -> int:
        return share_of(self.name, self.members, self.shards)


def share_of(name: str, members: Collection[str], shards: int) -> int:
    """Return how many shards are this member's: the first by name have one more."""
    each, over = divmod(shards, len(members))
    return each + (sorted(members).index(name) < over)


def to_take(view: View) -> list[int]:
    """Return the free shards to take now.

    Members begin at different places, so that those who see the same shards free seldom meet.
    """
    place = sorted(view.members).index(view.name) * view.shards // len(view.members)
    ordered = sorted(view.free, key=lambda shard: (shard - place) % view.shards)
    return ordered[: max(0, view.share - view.held)]


def to_give(view: View, served: Sequence[int], accounts: int) -> list[int]:
    """Return which of the shards we serve to give back now, of `accounts` accounts in all.

    A portion at a time, and none before the last one is served again: a shard on its way is served
    by nobody.
    """
    surplus = view.held - view.share
    if surplus <= 0 or view.free or view.busy or not served:
        return []
    by_accounts = PORTION_ACCOUNTS * len(served) // max(1, accounts)
    portion = min(surplus, len(served), max(1, min(PORTION_SHARDS, by_accounts)))
    return sorted(served)[-portion:]
