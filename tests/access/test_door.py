"""The door by itself: what it remembers of keys, for how long, and what it does without a store."""

import asyncio
import time

import pytest

from service.access import door as door_room
from service.access.door import ANYBODY, BOOTSTRAP, Caller, Door
from service.errors import MissingScope, StoreUnavailable, Unauthenticated
from service.store.api_keys import SCOPES, ApiKey, Scope, hash_of
from service.store.keys import DEFAULT_TENANT

pytestmark = pytest.mark.anyio

ID, SECRET = "0123456789ab", "c" * 64
TOKEN = f"plk_{ID}_{SECRET}"


class Records:
    """A store of one key that counts the questions, and can be away or hang."""

    def __init__(self, *scopes: Scope, expires: int | None = None) -> None:
        self.key: ApiKey | None = ApiKey(
            ID, hash_of(SECRET), "bot", "desk", scopes, created=0, expires=expires
        )
        self.asked = 0
        self.away = False
        self.hanging = False

    async def find(self, key_id: str) -> ApiKey | None:
        self.asked += 1
        if self.hanging:
            await asyncio.Event().wait()
        if self.away:
            raise StoreUnavailable("away")
        return self.key if key_id == ID else None


class Request:
    """Something with headers."""

    def __init__(self, authorization: str | None) -> None:
        self.headers = {} if authorization is None else {"authorization": authorization}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def bearer(token: str) -> Request:
    return Request(f"Bearer {token}")


async def test_without_keys_in_force_everybody_may_do_everything() -> None:
    records = Records()
    door = Door(records, in_force=False)
    for needed in ((), SCOPES):
        assert await door.admit(Request(None), *needed) == ANYBODY
        assert await door.admit(bearer("nonsense"), *needed) == ANYBODY
    assert ANYBODY.tenant == DEFAULT_TENANT
    assert records.asked == 0


async def test_a_key_may_do_what_its_scopes_say_in_its_tenant() -> None:
    door = Door(Records("evaluate"), in_force=True)
    caller = Caller(ID, "desk", frozenset(["evaluate"]))
    assert await door.admit(bearer(TOKEN), "evaluate") == caller
    assert await door.admit(bearer(TOKEN)) == caller
    assert await door.admit(Request(f"bearer {TOKEN}"), "evaluate") == caller
    for scope in SCOPES:
        if scope != "evaluate":
            with pytest.raises(MissingScope):
                await door.admit(bearer(TOKEN), scope)
            with pytest.raises(MissingScope):
                await door.admit(bearer(TOKEN), "evaluate", scope)


async def test_where_two_scopes_are_needed_each_is() -> None:
    both = Door(Records("accounts:write", "alerts:read"), in_force=True)
    assert (await both.admit(bearer(TOKEN), "accounts:write", "alerts:read")).tenant == "desk"
    for scope in ("accounts:write", "alerts:read"):
        with pytest.raises(MissingScope):
            await Door(Records(scope), in_force=True).admit(
                bearer(TOKEN), "accounts:write", "alerts:read"
            )


async def test_admin_has_every_scope() -> None:
    door = Door(Records("admin"), in_force=True)
    for scope in SCOPES:
        assert (await door.admit(bearer(TOKEN), scope)).tenant == "desk"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}0",
        f"Bearer {TOKEN[:-1]}d",
        f"Bearer plk_ba9876543210_{SECRET}",
        "Bearer ÿþ",
        f"Bearer {hash_of(SECRET)}",
    ],
)
async def test_every_wrong_token_gets_the_same_answer(authorization: str | None) -> None:
    door = Door(Records("admin"), in_force=True, bootstrap="b" * 20)
    with pytest.raises(Unauthenticated) as refused:
        await door.admit(Request(authorization), "evaluate")
    assert refused.value.detail == Unauthenticated.DETAIL


async def test_the_bootstrap_key_needs_no_store() -> None:
    records = Records()
    records.away = True
    door = Door(records, in_force=True, bootstrap="b" * 20)
    for scope in SCOPES:
        assert await door.admit(bearer("b" * 20), scope) == BOOTSTRAP
    for near in ("b" * 19, "b" * 21, "B" * 20):
        with pytest.raises(Unauthenticated):
            await door.admit(bearer(near), "evaluate")
    assert await door.still_good(BOOTSTRAP)
    assert records.asked == 0


async def test_a_record_is_asked_for_once_a_second() -> None:
    clock = Clock()
    records = Records("evaluate")
    door = Door(records, in_force=True, clock_s=clock)
    for _ in range(10):
        await door.admit(bearer(TOKEN), "evaluate")
    assert records.asked == 1
    clock.now_s += 0.99
    await door.admit(bearer(TOKEN), "evaluate")
    assert records.asked == 1
    clock.now_s += 0.01
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(door.admit(bearer(TOKEN), "evaluate"))
    assert records.asked == 2


async def test_a_revocation_works_within_a_second() -> None:
    clock = Clock()
    records = Records("evaluate")
    door = Door(records, in_force=True, clock_s=clock)
    caller = await door.admit(bearer(TOKEN), "evaluate")
    assert records.key is not None
    revoked = ApiKey(ID, hash_of(SECRET), "bot", "desk", ("evaluate",), created=0, revoked=1)
    for gone in (revoked, None):
        kept, records.key = records.key, gone
        clock.now_s += 1.0
        with pytest.raises(Unauthenticated):
            await door.admit(bearer(TOKEN), "evaluate")
        assert not await door.still_good(caller)
        records.key = kept
        clock.now_s += 1.0
        assert await door.still_good(caller)


async def test_a_key_expires_though_its_record_is_remembered() -> None:
    clock = Clock()
    expires = int(1_000.0 * clock.now_s) + 5_000
    door = Door(Records("evaluate", expires=expires), in_force=True, time_s=clock)
    clock.now_s += 4.999
    caller = await door.admit(bearer(TOKEN), "evaluate")
    assert await door.still_good(caller)
    clock.now_s += 0.001
    assert not await door.still_good(caller)
    with pytest.raises(Unauthenticated):
        await door.admit(bearer(TOKEN), "evaluate")


async def test_without_the_store_a_key_that_was_seen_stays_good_for_a_while() -> None:
    clock = Clock()
    records = Records("evaluate")
    door = Door(records, in_force=True, clock_s=clock)
    records.away = True
    with pytest.raises(StoreUnavailable):
        await door.admit(bearer(TOKEN), "evaluate")  # not seen yet
    records.away = False
    await door.admit(bearer(TOKEN), "evaluate")
    records.away = True
    clock.now_s += door_room.AWAY_S
    asked = records.asked
    for _ in range(5):
        await door.admit(bearer(TOKEN), "evaluate")
    assert records.asked == asked + 1  # nor is the store asked at every call
    with pytest.raises(Unauthenticated):
        await door.admit(bearer(TOKEN[:-1] + "d"), "evaluate")
    clock.now_s += 1.0
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await door.admit(bearer(TOKEN), "evaluate")
    records.away = False
    await door.admit(bearer(TOKEN), "evaluate")


async def test_a_store_that_hangs_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_room, "LOOK_UP_S", 0.05)
    records = Records("evaluate")
    records.hanging = True
    with pytest.raises(StoreUnavailable):
        await Door(records, in_force=True).admit(bearer(TOKEN), "evaluate")


async def test_unknown_ids_are_not_remembered_and_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = Records("evaluate")
    door = Door(records, in_force=True)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await door.admit(bearer(f"plk_ba9876543210_{SECRET}"), "evaluate")
    assert records.asked == 3
    monkeypatch.setattr(door_room, "REMEMBERED_MAX", 1)

    async def find(key_id: str) -> ApiKey:
        records.asked += 1
        return ApiKey(key_id, hash_of(SECRET), "bot", "desk", ("evaluate",), created=0)

    monkeypatch.setattr(records, "find", find)
    for key_id in (ID, "ba9876543210", ID):
        await door.admit(bearer(f"plk_{key_id}_{SECRET}"), "evaluate")
    assert records.asked == 6


async def test_a_call_with_a_known_key_costs_microseconds() -> None:
    door = Door(Records("evaluate"), in_force=True)
    asking = bearer(TOKEN)
    await door.admit(asking, "evaluate")
    took_s = [await _admitted_s(door, asking) for _ in range(5)]
    assert min(took_s) < 50e-6


async def _admitted_s(door: Door, asking: Request) -> float:
    """Return the seconds of one of a hundred calls."""
    started = time.perf_counter()
    for _ in range(100):
        await door.admit(asking, "evaluate")
    return (time.perf_counter() - started) / 100
