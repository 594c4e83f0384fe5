"""`plimsoll watch`: the alerts of a running service as they come, as a picture or as lines."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from rich.console import Console, RenderableType
from rich.live import Live

from service.demo.board import Board
from service.demo.listener import Service, Wanted, listen, stream_url
from service.demo.wording import STYLES, line

REFRESH_S = 0.25


@dataclass(frozen=True, slots=True)
class View:
    """Where and how to show a board: `plain` prints a line an alert and draws nothing."""

    board: Board
    console: Console
    plain: bool


async def watch_stream(
    service: Service, wanted: Wanted, view: View, give_up_after_s: float
) -> None:
    """Show the alerts of a service until cancelled; it reconnects by itself.

    Raises StoreUnavailable when the service is away for so long, InvalidInput when it refuses.
    """
    view.board.urls.setdefault("stream", stream_url(service.url))
    if view.plain:
        await _follow(service, wanted, view, give_up_after_s)
        return
    with Live(console=view.console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            await first_to_end(_follow(service, wanted, view, give_up_after_s), _redraw(live, view))
        finally:
            live.update(_picture(view), refresh=True)


async def first_to_end(*work: Awaitable[None]) -> None:
    """Run all until one ends or fails; the others are then cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(service: Service, wanted: Wanted, view: View, give_up_after_s: float) -> None:
    if view.plain:
        view.console.print(f"listening to {stream_url(service.url)}", style="dim", highlight=False)
    async for frame in listen(service, wanted, give_up_after_s):
        for alert in view.board.take(frame):
            if view.plain:
                style = STYLES[alert.level]
                view.console.print(line(alert), style=style, highlight=False, soft_wrap=True)


async def _redraw(live: Live, view: View) -> None:
    while True:
        live.update(_picture(view), refresh=True)
        await asyncio.sleep(REFRESH_S)


def _picture(view: View) -> RenderableType:
    width, height = view.console.size
    return view.board.render(width, view.board.alerts_that_fit(height - 1))
