"""`plimsoll watch`: who is near what, as a live picture, as lines of text or as lines of JSON."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Annotated, Literal, cast, get_args

import typer
from rich.live import Live

from service.contract.alerts import Alert, LevelName
from service.demo.listener import Service, Wanted, stream_url, web_address
from service.demo.watch import first_to_end
from service.demo.wording import LEVELS, line
from service.terminal import DEFAULT_URL, Token, Url, log, out, run
from service.watching.asking import Watcher
from service.watching.drawing import draw, rows_that_fit
from service.watching.keys import keys_pressed
from service.watching.lines import Lines
from service.watching.picture import Picture

REFRESH_S = 0.25
STATE_S = 0.5
JSON_ROWS = 1_000
_LEAST: dict[str, LevelName] = {
    "w": "WARNING",
    "m": "MARGIN_CALL",
    "l": "LIQUIDATION",
    "b": "BANKRUPT",
    "a": "HEALTHY",
}


def watch(
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    account: Annotated[list[str], typer.Option(help="An id, or a beginning and *.")] = ["*"],  # noqa: B006
    level: Annotated[
        list[str],
        typer.Option(help="Only alerts of this level, accounts from it up; again for more."),
    ] = [],  # noqa: B006
    plain: Annotated[
        bool, typer.Option("--plain", help="A line an alert instead of a live picture.")
    ] = False,
    output: Annotated[
        Literal["picture", "json"],
        typer.Option("--output", "-o", help="json: an object a line, accounts and alerts."),
    ] = "picture",
) -> None:
    """Watch a running service: accounts worst first, alerts as they come, marks, shards."""
    unknown = [name for name in level if name not in get_args(LevelName)]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(get_args(LevelName))}")
    levels = cast("tuple[LevelName, ...]", tuple(level))
    service = Service(web_address(url), token)
    least: LevelName = min(levels, key=LEVELS.index) if levels else "WARNING"
    picture = Picture(service.url, least, tuple(account))
    wanted = Wanted(tuple(account), levels, marks=output == "picture")
    try:
        if output == "json":
            run(_write_json(service, wanted, picture))
        elif plain or not out.is_terminal:
            run(_write_alerts(service, wanted, picture))
        else:
            run(_show(service, wanted, picture))
    except BrokenPipeError:  # whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(lines: list[str]) -> None:
    for each in lines:
        sys.stdout.write(each + "\n")
    sys.stdout.flush()


async def _write_json(service: Service, wanted: Wanted, picture: Picture) -> None:
    lines = Lines(picture)
    watcher = Watcher(
        service,
        wanted,
        picture,
        rows=lambda: JSON_ROWS,
        on_alerts=lambda alerts: _say(lines.alerts(alerts)),
        on_rows=lambda: _say([*lines.state(), *lines.accounts()]),
    )
    await _beside(watcher, lambda: _say(lines.state()), STATE_S)


async def _write_alerts(service: Service, wanted: Wanted, picture: Picture) -> None:
    log.print(f"listening to {stream_url(service.url)}", style="dim", highlight=False)

    def tell(alerts: list[Alert]) -> None:
        _say([line(alert) for alert in alerts])

    was = [True]

    def tell_state() -> None:
        if picture.live is not was[0] and picture.silent_s < 1e6:
            was[0] = picture.live
            log.print("live again" if was[0] else f"not live: {picture.why_not}", style="dim")

    watcher = Watcher(service, wanted, picture, rows=lambda: 1, on_alerts=tell)
    await _beside(watcher, tell_state, STATE_S)


async def _show(service: Service, wanted: Wanted, picture: Picture) -> None:
    watcher = Watcher(service, wanted, picture, rows=lambda: rows_that_fit(out.size.height))
    ended = asyncio.Event()

    def pressed(key: str) -> None:
        if key == "q":
            ended.set()
        elif key in _LEAST:
            picture.least = _LEAST[key]
            watcher.changed.set()

    with Live(console=out, auto_refresh=False, screen=True) as live, keys_pressed(pressed):

        def redraw() -> None:
            width, height = out.size
            live.update(draw(picture, width, height), refresh=True)

        await _beside(watcher, redraw, REFRESH_S, ended)


async def _beside(
    watcher: Watcher, work: Callable[[], None], every_s: float, ended: asyncio.Event | None = None
) -> None:
    """Watch, and do `work` every so often, until one of them ends or `ended` is set."""

    async def again() -> None:
        while ended is None or not ended.is_set():
            work()
            await asyncio.sleep(every_s)

    await first_to_end(watcher.run(), again())
