"""What account sync says of itself, as metrics and readiness show it; no account's name is open."""

import httpx
import msgspec
import pytest

from service.api.syncs import amiss
from service.contract.sync import SyncFigures
from service.store import client as store_client
from service.store import keys
from service.store.health import Roll

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


async def test_accounts_are_among_the_metrics(worker: httpx.AsyncClient, redis_url: str) -> None:
    async with store_client.connect(redis_url) as client:
        kept = msgspec.structs.replace(
            figures(1.5), may_trade=True, troubles={"throttled": 2}, clock_offset_ms=-3.0
        )
        report = msgspec.json.encode({"desk-7": kept, "new": SyncFigures("gate", 5.0)})
        await Roll(client, "one", keys.SYNCS).report(report)
        shown = (await worker.get("/metrics")).text
    desk = '{account="desk-7",exchange="okx",process="one"}'
    assert f"plimsoll_sync_snapshots_total{desk} 3.0" in shown
    assert f"plimsoll_sync_age_seconds{desk} 1.5" in shown
    assert f"plimsoll_sync_clock_offset_ms{desk} -3.0" in shown
    assert f"plimsoll_sync_key_may_trade{desk} 1.0" in shown
    assert 'exchange="okx",process="one",reason="throttled"} 2.0' in shown
    assert 'plimsoll_sync_age_seconds{account="new"' not in shown
