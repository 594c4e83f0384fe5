"""A venue's feed at work: its lines, and the batches that go from its intake to the sink."""

import asyncio
import logging

from service.contract.feeds import FeedFigures
from service.errors import StoreUnavailable
from service.feeds.connection import Connection, Origins, Pace
from service.feeds.intake import ClockRules, Intake
from service.feeds.sinks import MarkSink
from service.feeds.venue import VenueFeed

_log = logging.getLogger("plimsoll.feeds")


class LiveFeed:
    """Every line of a venue, one intake and one producer of marks.

    While a batch is on its way, newer marks take the place of those that wait: what waits is at
    most a mark a symbol. A batch the store does not take in time is dropped, as newer marks are
    there by then, and old prices must not come back as news.
    """

    def __init__(
        self,
        feed: VenueFeed,
        sink: MarkSink,
        *,
        pace: Pace | None = None,
        clock: ClockRules | None = None,
        origins: Origins | None = None,
    ) -> None:
        self.name = feed.name
        self._sink = sink
        self._pace = pace or Pace()
        self.intake = Intake(feed.venue, clock)
        self._connections = [
            Connection(feed.name, line, self.intake, self._pace, origins or Origins())
            for line in feed.lines
        ]
        self._store_away = False

    async def run(self) -> None:
        """Take marks until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for connection in self._connections:
                tasks.create_task(connection.run(), name=f"line of {self.name}")
            tasks.create_task(self._send(), name=f"batches of {self.name}")

    def figures(self) -> FeedFigures:
        """Return how the feed is doing."""
        return self.intake.figures(
            len(self._connections),
            sum(connection.open for connection in self._connections),
            sum(connection.reconnects for connection in self._connections),
        )

    async def _send(self) -> None:
        while True:
            await asyncio.sleep(self._pace.flush_s)
            batch = self.intake.drain()
            if not batch:
                continue
            try:
                self.intake.answered(await self._sink.send(batch))
            except StoreUnavailable as error:
                self.intake.refuse("store_unavailable", len(batch))
                if not self._store_away:
                    _log.warning("%s: marks are dropped: %s", self.name, error.detail)
                self._store_away = True
            else:
                self._store_away = False
