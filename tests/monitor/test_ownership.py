"""Shards are shared out evenly whoever joins, leaves or dies, and nothing moves without need."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.monitor.ownership import View, share_of, to_give, to_take
from tests.strategies import effort

ACCOUNTS_A_SHARD = 3_000


@given(st.sets(st.text(max_size=3), min_size=1, max_size=9), st.integers(1, 64))
@effort(50, 1_000)
def test_the_shares_are_all_shards_and_differ_by_one_at_most(names: set[str], shards: int) -> None:
    shares = [share_of(name, names, shards) for name in sorted(names)]
    assert sum(shares) == shards
    assert max(shares) - min(shares) <= 1
    assert all(first >= second for first, second in pairwise(shares))


@dataclass
class Member:
    """A monitor: what it serves, what it takes in, and what it saw when it last looked."""

    name: str
    served: set[int] = field(default_factory=set)
    taking: set[int] = field(default_factory=set)
    seen: View | None = None


@dataclass
class World:
    """Leases and members as the store has them; `steps` of a member see what it saw, not what is.

    `moves` counts the shards that changed hands.
    """

    shards: int
    members: dict[str, Member] = field(default_factory=dict)
    moves: int = 0
    met: int = 0  # a free shard that another was quicker to take

    def owned(self) -> list[int]:
        return [s for member in self.members.values() for s in (*member.served, *member.taking)]

    def look(self, name: str) -> None:
        member = self.members[name]
        free = tuple(sorted(set(range(self.shards)) - set(self.owned())))
        busy = any(other.taking for other in self.members.values() if other is not member)
        held = len(member.served) + len(member.taking)
        member.seen = View(name, frozenset(self.members), self.shards, free, held, busy)

    def act(self, name: str) -> None:
        """Do what is to be done by what was seen, whatever has become of it."""
        member = self.members[name]
        if member.seen is None:
            return
        if not member.taking:
            wanted = to_take(member.seen)
            free = set(range(self.shards)) - set(self.owned())
            self.met += len(set(wanted) - free)
            member.taking = free & set(wanted)  # a shard with a live owner is never taken
            self.moves += len(member.taking)
            if not wanted:
                accounts = ACCOUNTS_A_SHARD * len(member.served)
                member.served -= set(to_give(member.seen, sorted(member.served), accounts))
        member.seen = None

    def bring_up(self, name: str) -> None:
        member = self.members[name]
        member.served |= member.taking
        member.taking = set()

    def round(self) -> None:
        for name in self.members:
            self.look(name)
            self.act(name)
        for name in self.members:
            self.bring_up(name)

    def settle(self) -> int:
        """Return how many rounds it took until nothing moved."""
        for number in range(200):
            before = {name: set(member.served) for name, member in self.members.items()}
            self.round()
            if before == {name: member.served for name, member in self.members.items()}:
                return number
        raise AssertionError("it never settles")

    def check_even(self) -> None:
        assert sorted(self.owned()) == list(range(self.shards))
        for name, member in self.members.items():
            assert len(member.served) == share_of(name, self.members, self.shards)


events = st.lists(
    st.tuples(st.sampled_from(("join", "die", "look", "act", "up")), st.integers(0, 5)), max_size=60
)


@given(events, st.sampled_from((1, 4, 7, 64)))
@effort(150, 5_000)
def test_whoever_joins_and_dies_it_ends_even_and_stays_so(
    story: list[tuple[str, int]], shards: int
) -> None:
    world = World(shards)
    world.members["m0"] = Member("m0")
    for what, number in story:
        name = f"m{number}"
        if what == "join":
            world.members.setdefault(name, Member(name))
        elif what == "die":
            if len(world.members) > 1:
                world.members.pop(name, None)
        elif name in world.members:
            {"look": world.look, "act": world.act, "up": world.bring_up}[what](name)
        assert len(world.owned()) == len(set(world.owned()))
    world.settle()
    world.check_even()
    moves = world.moves
    for _ in range(3):
        world.round()
    assert world.moves == moves


@pytest.mark.parametrize(("before", "after", "moved"), [(1, 2, 32), (2, 3, 21), (3, 4, 16)])
def test_who_joins_gets_its_share_and_no_more_moves(before: int, after: int, moved: int) -> None:
    world = World(64, {f"m{number}": Member(f"m{number}") for number in range(before)})
    world.settle()
    world.moves = 0
    world.members.update({f"m{number}": Member(f"m{number}") for number in range(before, after)})
    assert world.settle() <= 12
    world.check_even()
    assert world.moves == moved


def test_the_shards_of_a_dead_member_are_taken_in_one_go() -> None:
    world = World(64, {name: Member(name) for name in ("a", "b", "c")})
    world.settle()
    del world.members["b"]
    world.moves = 0
    world.round()
    world.check_even()
    assert (world.moves, world.met) == (21, 0)


def seen(held: int, free: tuple[int, ...] = (), *, busy: bool = False) -> View:
    return View("a", frozenset("ab"), 64, free, held, busy)


@pytest.mark.parametrize(
    ("view", "accounts", "count"),
    [
        (seen(32), 100, 0),  # its share
        (seen(33), 100, 1),
        (seen(64), 100, 16),
        (seen(64), 64 * 2_000, 10),  # about 20,000 accounts at a time
        (seen(64), 64 * 50_000, 1),  # never none
        (seen(64, (3,)), 100, 0),  # what was given back before is not taken yet
        (seen(64, busy=True), 100, 0),  # or is not served yet
    ],
)
def test_shards_are_given_back_in_portions(view: View, accounts: int, count: int) -> None:
    assert len(to_give(view, range(view.held), accounts)) == count
