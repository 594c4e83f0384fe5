"""Which accounts of a tenant are monitored: all of them, nobody else's, and no more than asked."""

import pytest

from service.contract.questions import (
    NAMES,
    NamesQuestion,
    decode_names,
    encode_names_question,
)
from service.monitor import naming
from service.store.questions import Questions
from tests.monitor.test_maps import fill, people
from tests.monitor.test_service import PATIENCE_S, running
from tests.store.stores import SHARDS, Store, open_store

pytestmark = pytest.mark.anyio


async def named(store: Store, tenant: str, limit: int = 1_000) -> list[str]:
    questions = Questions(store.client, store.blocking, SHARDS)
    question = encode_names_question(NamesQuestion(tenant, limit))
    answers = await questions.ask(NAMES, question, PATIENCE_S)
    return sorted(name for answer in answers for name in decode_names(answer))


@pytest.mark.parametrize("piece", [7, 2_000])
async def test_the_accounts_with_a_pool_are_named(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(naming, "LOOKED_AT", piece)
    ours, theirs = people(20), people(30, "defaults")
    async with open_store(redis_url) as store:
        await fill(store, ours + theirs)
        await store.accounts.delete("default/acc-7")
        async with running(store):
            wanted = sorted(one.account_key for one in ours if one.account_key != "default/acc-7")
            assert await named(store, "default") == wanted
            assert len(await named(store, "defaults")) == 30
            assert len(await named(store, "default", 5)) == 6
            assert await named(store, "nobody") == []
