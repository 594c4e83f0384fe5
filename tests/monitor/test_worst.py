"""Who is worst: one order, whatever is asked of it in pages, by letters, in counts, in pieces."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.questions import (
    LEVELS,
    WORST,
    RankedPlace,
    WorstAnswer,
    WorstQuestion,
    decode_answer,
    encode_question,
)
from service.monitor import worst
from service.monitor.seeking import Spelling, sought
from service.monitor.shards import Shards
from service.risk.columns import Ints
from service.risk.model import Account, Balance, Level, Position
from service.risk.names import Names
from service.store.questions import Questions
from tests.monitor.streams import document_of
from tests.monitor.test_service import (
    PATIENCE_S,
    SYMBOLS,
    list_symbols,
    post,
    running,
    until_logged,
)
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio

# By wallet, with one contract bought at 100 and a mark of 81: 19 lost, so what is left of it.
WALLETS = {
    **{f"default/ok-{number}": 200.0 + number % 3 for number in range(12)},  # equals among them
    "default/Deep": 12.0,
    "default/deeper": 11.0,
    "default/called": 20.0,
    "default/warned": 20.4,
    "other/deep": 12.0,
}


async def ask(store: Store, **asked: object) -> WorstAnswer:
    question = WorstQuestion(**{"tenant": "default", "level": 0, "limit": 100, **asked})  # type: ignore[arg-type]
    raw = await Questions(store.client, store.blocking, SHARDS).ask(
        WORST, encode_question(question), PATIENCE_S
    )
    answers = [decode_answer(one) for one in raw]
    places = sorted((p for one in answers for p in one.places), key=RankedPlace.order)
    return WorstAnswer(places, [count for one in answers for count in one.counts])


def counts_of(answer: WorstAnswer) -> dict[str, int]:
    sums = [sum(column) for column in zip(*(one.counts for one in answer.counts), strict=True)]
    return {name: count for name, count in zip(LEVELS, sums, strict=True) if count}


@asynccontextmanager
async def people_at_81(redis_url: str) -> AsyncIterator[Store]:
    """The accounts of WALLETS, monitored, once the mark has fallen to 81."""
    async with open_store(redis_url) as store:
        await list_symbols(store)
        for key, wallet in WALLETS.items():
            held = (Position(SYMBOLS[0], 1.0, 100.0),)
            one = Account(key, balances=(Balance("USDT", wallet),), positions=held)
            await store.accounts.put(key, document_of(one))
        async with running(store):
            await post(store, SYMBOLS[0], 81.0, 1_000)
            await until_logged(store)
            yield store


@pytest.mark.parametrize("piece", [3, 1_000])
async def test_a_ranking_is_one_order_however_it_is_asked_for(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(worst, "ACCOUNTS_AT_ONCE", piece)
    monkeypatch.setattr(worst, "COUNTED_AT_ONCE", piece)
    async with people_at_81(redis_url) as store:
        everybody = (await ask(store)).places
        assert [place.account_key for place in everybody] == sorted(
            (key for key in WALLETS if key.startswith("default/")),
            key=lambda key: _expected(everybody, key),
        )
        assert len(everybody) == len(WALLETS) - 1

        for size in (1, 3, 5):
            paged: list[RankedPlace] = []
            while page := (await ask(store, limit=size, after=paged[-1] if paged else None)).places[
                :size
            ]:
                paged += page
            assert paged == everybody

        sought = await ask(store, match="DEEP", counts=True)
        assert [place.account_key for place in sought.places] == [
            "default/Deep",
            "default/deeper",
        ]
        assert counts_of(sought) == {"BANKRUPT": 2}
        # "default" is of the tenant's name, no part of an id.
        assert (await ask(store, match="fault")).places == []
        called = await ask(store, level=Level.BANKRUPT.value, counts=True)
        assert len(called.places) == 2
        assert sum(counts_of(called).values()) == len(WALLETS) - 1  # those below it too
        assert (await ask(store, tenant="nobody", counts=True)).places == []


async def test_only_accounts_that_a_page_may_reach_are_evaluated(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worst, "KEPT_TIMES", 0.0)
    evaluated: list[int] = []
    made = worst._part

    def noted(shards: Shards, level: int, accounts: Ints) -> worst._Ranking:
        evaluated.append(len(accounts))
        return made(shards, level, accounts)

    monkeypatch.setattr(worst, "_part", noted)
    async with people_at_81(redis_url) as store:
        assert len((await ask(store, limit=2, counts=True)).places) == 2
        assert sum(evaluated) == 3  # the bankrupt, another tenant's too
        evaluated.clear()
        assert len((await ask(store, limit=3)).places) == 3
        assert sum(evaluated) == 4
        evaluated.clear()
        assert len((await ask(store, limit=5)).places) == 5
        assert sum(evaluated) == len(WALLETS)


async def test_a_page_is_full_though_many_have_risen_since_they_were_counted(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worst, "_least", lambda _levels, _asked: Level.BANKRUPT.value)
    async with people_at_81(redis_url) as store:
        assert len((await ask(store)).places) == len(WALLETS) - 1
        assert len((await ask(store, level=Level.MARGIN_CALL.value)).places) == 3
        assert len((await ask(store, level=Level.BANKRUPT.value)).places) == 2


def _expected(everybody: list[RankedPlace], key: str) -> tuple[int, float, str]:
    (place,) = (one for one in everybody if one.account_key == key)
    return -place.level, -(math.inf if place.margin_ratio is None else place.margin_ratio), key


tenants = st.sampled_from(["desk", "desk-2", "d"])
ids = st.text("aAbB-", min_size=1, max_size=6)


@given(st.lists(st.tuples(tenants, ids), unique=True), tenants, st.none() | ids)
def test_a_search_finds_what_looking_at_each_name_finds(
    held: list[tuple[str, str]], tenant: str, match: str | None
) -> None:
    names = Names()
    for owner, account_id in held:
        names.enter(f"{owner}/{account_id}")
    expected = [
        owner == tenant and (match is None or match.lower() in account_id.lower())
        for owner, account_id in held
    ]
    assert sought(Spelling(*names.spelled()), tenant, match).tolist() == expected


async def test_a_new_ranking_is_made_once_the_kept_one_has_served(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worst, "KEPT_TIMES", 0.0)
    async with open_store(redis_url) as store:
        await list_symbols(store)
        held = (Position(SYMBOLS[0], 1.0, 100.0),)
        async with running(store):
            one = Account("default/a", balances=(Balance("USDT", 12.0),), positions=held)
            await store.accounts.put("default/a", document_of(one))
            for level in (Level.UNPRICED, Level.BANKRUPT):
                async with asyncio.timeout(PATIENCE_S):
                    while [place.level for place in (await ask(store)).places] != [level]:
                        pass
                await post(store, SYMBOLS[0], 81.0, 1_000)
