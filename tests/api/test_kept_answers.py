"""What is kept for `Idempotency-Key` has its end: refused before anything is done."""

import pytest

from service.access.kept import UNIT_BYTES
from service.store.client import connect
from service.store.units import Units
from tests.api.test_once import adjust, balance, code, told
from tests.api.workers import account, open_worker, settings_of

pytestmark = pytest.mark.anyio

FITS = 2**20 // UNIT_BYTES // 2


async def leave(redis_url: str, units: int) -> None:
    """Take the room of a service without keys but for so many units."""
    async with connect(redis_url) as client:
        taken = await Units(client).take(
            "kept default", FITS / 86_400, FITS, FITS - units, FITS - units
        )
    assert taken.left == units


async def test_a_million_keys_do_not_fill_the_store(redis_url: str) -> None:
    """Half of the room is there at once; what is refused is not done, and a repeat is answered."""
    async with open_worker(settings_of(redis_url, idempotency_max_bytes=2**20)) as desk:
        assert (await desk.put("/v1/accounts/a1", json=account())).is_success
        await leave(redis_url, 2)
        first = await adjust(desk, "k1")
        assert first.is_success
        assert (await adjust(desk, "k2")).is_success
        refused = await adjust(desk, "k3")
        assert code(refused) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 60
        assert await balance(desk) == 9_998
        assert told(await adjust(desk, "k1")) == told(first)
        assert code(await adjust(desk, "k3")) == (429, "rate_limited"), "its claim was given back"


async def test_an_answer_without_room_for_all_of_it_is_not_kept(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url, idempotency_max_bytes=2**20)) as desk:
        await leave(redis_url, 2)
        many = [account() | {"id": f"a{number}"} for number in range(100)]
        headers = {"idempotency-key": "k1"}
        first = await desk.post("/v1/accounts:batch", json=many, headers=headers)
        assert len(first.content) > 2 * UNIT_BYTES
        again = await desk.post("/v1/accounts:batch", json=many, headers=headers)
        assert again.is_success
        assert again.content != first.content, "carried out again: other versions"
