"""A change whose notice is missing gets one; a monitor that is only behind appends none."""

import pytest

from service.monitor.commits import Ledger
from service.monitor.notices import Notices
from service.store.alert_log import ShardState
from tests.monitor.fake_store import FakeStore

pytestmark = pytest.mark.anyio


class Scene:
    """One shard, and how far a monitor has followed its stream."""

    def __init__(self) -> None:
        self.store = FakeStore(1)
        self.ledger = Ledger.of(0, ShardState(1, 0, 0, 0, 0, 0))
        self.notices = Notices(self.store, self.store)

    async def look(self, market_id: int) -> int:
        """Return how many notices this call appends."""
        before = self.notices.appended
        await self.notices.append_missing({0: self.ledger}, market_id)
        return self.notices.appended - before


async def test_a_missing_notice_is_appended_once_the_stream_is_followed() -> None:
    scene = Scene()
    scene.store.append("c", b"{}")
    scene.store.write("default/a", b"{}")
    assert [await scene.look(1) for _ in range(3)] == [0, 0, 1]
    assert scene.store.entries[-1].payload == b'{"shard":0,"upto":1}'


async def test_a_monitor_that_is_behind_appends_nothing() -> None:
    scene = Scene()
    scene.store.append("c", b"{}")
    scene.store.write("default/a", b"{}")
    scene.store.notice(0)
    assert [await scene.look(1) for _ in range(5)] == [0] * 5  # its notice is the second entry
    scene.ledger.drained_to = 1
    assert [await scene.look(2) for _ in range(3)] == [0] * 3


async def test_a_notice_that_came_between_two_calls_is_waited_for() -> None:
    scene = Scene()
    scene.store.write("default/a", b"{}")
    assert await scene.look(0) == 0
    scene.store.notice(0)
    assert [await scene.look(0) for _ in range(5)] == [0] * 5


async def test_only_the_change_that_was_late_is_told_of() -> None:
    scene = Scene()
    scene.store.write("default/a", b"{}")
    assert [await scene.look(0) for _ in range(2)] == [0, 0]
    scene.store.write("default/a", b"{}")
    assert await scene.look(0) == 1
    assert scene.store.entries[-1].payload == b'{"shard":0,"upto":1}'
