"""A service that starts looks at the format of its data first: before anything else of it runs."""

from functools import partial
from pathlib import Path

import pytest

from service.errors import WrongFormat
from service.settings import Settings
from service.store import keys
from service.store.client import Client, connect
from service.store.epoch import settle
from service.store.formats import FORMAT, Step, migrate
from service.supervisor import serve
from service.supervisor.children import SUPERVISOR
from tests.valkey_server import ValkeyServer

pytestmark = pytest.mark.anyio


async def begin(data_dir: Path, form: int) -> None:
    """Leave a data directory behind, of a format."""
    server = ValkeyServer(data_dir)
    server.start()
    await mark(server.url, form)
    server.stop()


async def mark(url: str, form: int) -> None:
    async with connect(url) as client:
        await settle(client, 64)
        await client.call("SET", keys.FORMAT, form)


async def start(**given: object) -> list[str]:
    """Start a service, which is expected to be refused; return what was said."""
    said: list[str] = []

    def say(who: str, text: str) -> None:
        if who == SUPERVISOR:
            said.append(text)

    settings = Settings.model_validate({"port": 0, **given})
    with pytest.raises(WrongFormat) as refused:
        async with serve.running(settings, say):
            pass
    return [*said, refused.value.detail]


async def test_later_data_is_refused(tmp_path: Path) -> None:
    await begin(tmp_path, FORMAT + 1)
    assert "written by a later release" in (await start(data_dir=str(tmp_path)))[-1]


@pytest.mark.parametrize("form", [FORMAT - 1, FORMAT + 1])
async def test_data_of_a_store_of_ones_own_is_never_migrated_by_a_start(
    form: int, redis_url: str
) -> None:
    await mark(redis_url, form)
    assert "of format" in (await start(redis_url=redis_url))[-1]
    async with connect(redis_url) as client:
        assert await client.call("GET", keys.FORMAT) == b"%d" % form


async def test_older_data_of_its_own_is_brought_up_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of the planted steps fails, so the start ends there, and the next begins there."""
    await begin(tmp_path, -1)
    ran: list[int] = []

    async def first(_client: Client, shards: int) -> None:
        ran.append(shards)

    async def second(_client: Client, _shards: int) -> None:
        raise WrongFormat("as far as this test goes")

    steps = {-1: Step("the first", first), 0: Step("the second", second)}
    monkeypatch.setattr(serve, "migrate", partial(migrate, steps=steps))
    told = ["format -1 to 0: the first", "format 0 to 1: the second", "as far as this test goes"]
    assert await start(data_dir=str(tmp_path)) == told
    assert await start(data_dir=str(tmp_path)) == told[1:]
    assert ran == [64]
