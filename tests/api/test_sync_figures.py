"""What account sync says of itself, as metrics and readiness show it; no account's name is open."""

import httpx
import msgspec
import pytest

from service.api.syncs import amiss
from service.contract.sync import SyncFigures
from service.store import client as store_client
from service.store import keys
from service.store.health import Roll
from tests.api.workers import open_worker, settings_of

pytestmark = pytest.mark.anyio


def figures(age_s: float | None, trouble: str = "", every_s: float = 5.0) -> SyncFigures:
    return SyncFigures("okx", every_s, snapshots=3, age_s=age_s, trouble=trouble)


def report(**accounts: SyncFigures) -> dict[str, bytes]:
    return {"host-1": msgspec.json.encode(accounts)}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (report(a=figures(1.0), b=figures(30.0)), []),
        (report(a=figures(1.0), b=figures(30.1, "away")), ["1 of 2 accounts late at okx: away"]),
        (report(a=figures(179.0, every_s=60.0)), []),
        (report(a=figures(181.0, every_s=60.0)), ["1 of 1 accounts late at okx: no word yet"]),
        (report(a=figures(None, "refused")), ["1 of 1 accounts late at okx: refused"]),
        ({}, ["no process runs it"]),
    ],
)
def test_what_is_amiss_is_said_without_names(told: dict[str, bytes], said: list[str]) -> None:
    assert list(amiss(told, expected=True)) == [f"sync: {one}" for one in said]


def test_where_no_accounts_are_kept_nothing_is_amiss() -> None:
    assert list(amiss({}, expected=False)) == []


async def test_accounts_are_among_the_metrics_and_none_by_name(
    worker: httpx.AsyncClient, redis_url: str
) -> None:
    """Two kept at one venue, one late, one not read yet, one at another venue: added up."""
    kept = msgspec.structs.replace(
        figures(1.5), may_trade=True, troubles={"throttled": 2}, clock_offset_ms=-30.0, positions=4
    )
    late = msgspec.structs.replace(
        figures(30.5, "throttled"), troubles={"throttled": 1, "away": 5}, clock_offset_ms=10.0
    )
    of_one = {"desk-7": kept, "desk-8": late, "desk-9": SyncFigures("okx", 5.0)}
    of_one["desk-10"] = SyncFigures("gate", 5.0)
    async with store_client.connect(redis_url) as client:
        await Roll(client, "one", keys.SYNCS).report(msgspec.json.encode(of_one))
        await Roll(client, "two", keys.SYNCS).report(msgspec.json.encode({"desk-11": kept}))
        shown = (await worker.get("/metrics")).text
    assert "desk" not in shown
    okx, gate = 'exchange="okx",process="one"', 'exchange="gate",process="one"'
    for line in (
        *(f'accounts{{{okx},state="{state}"}} 1.0' for state in ("kept", "late", "unread")),
        f'accounts{{{gate},state="unread"}} 1.0',
        f'accounts{{{gate},state="kept"}} 0.0',
        f"snapshots_total{{{okx}}} 6.0",
        f"positions{{{okx}}} 4.0",
        f"age_seconds{{{okx}}} 30.5",
        f"clock_offset_seconds{{{okx}}} -0.03",
        f"keys_that_trade{{{okx}}} 1.0",
        f'troubles_total{{{okx},reason="throttled"}} 3.0',
        f'troubles_total{{{okx},reason="away"}} 5.0',
        'age_seconds{exchange="okx",process="two"} 1.5',
        "expected 0.0",
    ):
        assert f"\nplimsoll_sync_{line}\n" in shown, line
    assert f"plimsoll_sync_age_seconds{{{gate}}}" not in shown


async def test_that_accounts_are_to_be_kept_is_shown(redis_url: str) -> None:
    async with open_worker(settings_of(redis_url, sync_file="sync.toml")) as worker:
        assert "\nplimsoll_sync_expected 1.0\n" in (await worker.get("/metrics")).text
