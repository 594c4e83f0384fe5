"""API keys in the store: shown once, found by id, good until they expire or are revoked."""

import re

import pytest

from service.errors import InvalidInput, UnknownKey
from service.store import keys
from service.store.api_keys import NAME_MAX, SCOPES, ApiKeys, Scope, hash_of, parts_of
from service.store.client import connect

pytestmark = pytest.mark.anyio

NOW_MS = 1_760_000_000_000
EVALUATE: tuple[Scope, ...] = ("evaluate",)


async def test_a_token_is_made_of_the_id_and_a_secret_of_which_a_hash_is_kept(
    redis_url: str,
) -> None:
    async with connect(redis_url) as client:
        store = ApiKeys(client)
        created, token = await store.create("bot", "desk-1", EVALUATE, NOW_MS, NOW_MS + 1)

        assert re.fullmatch(r"plk_[0-9a-f]{12}_[0-9a-f]{64}", token)
        parts = parts_of(token)
        assert parts is not None
        key_id, secret = parts
        assert (created.id, created.secret_hash) == (key_id, hash_of(secret))
        assert await store.find(key_id) == created
        (stored,) = await client.call("HVALS", keys.API_KEYS)
        assert secret.encode() not in stored
        assert hash_of(secret).encode() in stored


async def test_two_keys_have_nothing_in_common(redis_url: str) -> None:
    async with connect(redis_url) as client:
        store = ApiKeys(client)
        made = [await store.create("bot", "default", EVALUATE, NOW_MS + n) for n in range(20)]
        parts = [parts_of(token) for _, token in made]
        assert len({part[0] for part in parts if part}) == 20
        assert len({part[1] for part in parts if part}) == 20
        assert await store.list() == [key for key, _ in made]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "plk_",
        "plk_0123456789ab",
        f"plk_0123456789ab_{'0' * 63}",
        f"plk_0123456789ab_{'0' * 65}",
        f"plk_0123456789AB_{'0' * 64}",
        f"plk_0123456789ab_{'0' * 64}\n",
        f"pl_0123456789ab_{'0' * 64}",
        f"plk_0123456789a\u0663_{'0' * 64}",
    ],
)
async def test_what_cannot_be_a_token_is_none(token: str) -> None:
    assert parts_of(f"plk_0123456789ab_{'0' * 64}") == ("0123456789ab", "0" * 64)
    assert parts_of(token) is None


async def test_a_revoked_key_stays_known_and_keeps_its_time(redis_url: str) -> None:
    async with connect(redis_url) as client:
        store = ApiKeys(client)
        created, _ = await store.create("bot", "default", EVALUATE, NOW_MS)
        other, _ = await store.create("other", "default", EVALUATE, NOW_MS)

        revoked = await store.revoke(created.id, NOW_MS + 5)
        assert revoked.revoked == NOW_MS + 5
        assert await store.revoke(created.id, NOW_MS + 9) == revoked
        assert await store.find(created.id) == revoked
        assert await store.find(other.id) == other
        assert not revoked.is_good(NOW_MS)
        assert other.is_good(NOW_MS)
        with pytest.raises(UnknownKey):
            await store.revoke("000000000000", NOW_MS)
        assert await store.find("000000000000") is None


async def test_a_key_is_good_until_the_moment_it_expires(redis_url: str) -> None:
    async with connect(redis_url) as client:
        key, _ = await ApiKeys(client).create("bot", "default", EVALUATE, NOW_MS, NOW_MS + 100)
    assert key.is_good(NOW_MS + 99)
    assert not key.is_good(NOW_MS + 100)


GOOD = {"name": "bot", "tenant": "default", "scopes": SCOPES, "expires_ms": None}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * (NAME_MAX + 1)),
        ("name", "a\nb"),
        ("tenant", ""),
        ("tenant", "a" * 65),
        ("tenant", "a/b"),
        ("tenant", "Desk"),
        ("tenant", "desk\n"),
        ("scopes", ()),
        ("scopes", ("everything",)),
        ("expires_ms", NOW_MS),
    ],
)
async def test_what_no_key_can_be_is_refused(redis_url: str, field: str, value: object) -> None:
    async with connect(redis_url) as client:
        store = ApiKeys(client)
        with pytest.raises(InvalidInput):
            await store.create(**(GOOD | {"now_ms": NOW_MS, field: value}))  # type: ignore[arg-type]
        assert await store.list() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * NAME_MAX),
        ("tenant", "a" * 64),
        ("tenant", "a-1"),
        ("expires_ms", NOW_MS + 1),
    ],
)
async def test_what_a_key_can_just_be_is_taken(redis_url: str, field: str, value: object) -> None:
    async with connect(redis_url) as client:
        store = ApiKeys(client)
        await store.create(**(GOOD | {"now_ms": NOW_MS, field: value}))  # type: ignore[arg-type]
        assert len(await store.list()) == 1
