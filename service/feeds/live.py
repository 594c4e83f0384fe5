"""A venue's feed at work: its lines, and the batches that go from its intake to the sink."""

import asyncio

from service.contract.feeds import FeedFigures
from service.feeds.batches import send_batches
from service.feeds.connection import Connection, Origins, Pace
from service.feeds.intake import ClockRules, Intake
from service.feeds.sinks import MarkSink
from service.feeds.venue import VenueFeed


class LiveFeed:
    """Every line of a venue, one intake and one producer of marks.

    What waits is at most a mark a symbol.
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

    async def run(self) -> None:
        """Take marks until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for connection in self._connections:
                tasks.create_task(connection.run(), name=f"line of {self.name}")
            sending = send_batches(self.name, self.intake, self._sink, self._pace.flush_s)
            tasks.create_task(sending, name=f"batches of {self.name}")

    def figures(self) -> FeedFigures:
        """Return how the feed is doing."""
        return self.intake.figures(
            len(self._connections),
            sum(connection.open for connection in self._connections),
            sum(connection.reconnects for connection in self._connections),
        )
