"""`plimsoll replay`: marks played again, or with `--audit` alerts derived again."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from service.audit_view import Asked, audit_alerts
from service.demo.listener import Service, web_address
from service.demo.wording import clock
from service.feeds.replay import Timestamps, laps, play
from service.feeds.sinks import HttpSink, Tally
from service.feeds.tape import read_tape
from service.terminal import DEFAULT_URL, GIVE_UP_AFTER_S, Token, Url, log, run


def replay(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="Bars or NDJSON marks.")
    ] = None,
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    pace: Annotated[float, typer.Option(min=0.0, help="Tape seconds a second; 0: at once.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    timestamps: Annotated[
        Timestamps, typer.Option(help="drop: the service stamps marks as they arrive.")
    ] = "keep",
    audit: Annotated[
        list[str],
        typer.Option(metavar="ALERT_ID", help="Derive this alert again, explain it; more: again."),
    ] = [],  # noqa: B006
    last: Annotated[int, typer.Option(min=0, help="Derive the newest so many alerts again.")] = 0,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="Of an audit.")
    ] = "text",
) -> None:
    """Play recorded marks into a running service; or derive alerts again from what it recorded."""
    service = Service(web_address(url), token)
    if audit or last:
        if file is not None:
            raise typer.BadParameter("an audit reads what the service has recorded: no FILE")
        run(audit_alerts(service, Asked(tuple(audit), last, output == "json")))
        return
    if file is None:
        raise typer.BadParameter("a FILE to play, or --audit ALERT_ID, or --last N")
    run(_replay(file, service, pace, loop, timestamps))


async def _replay(
    file: Path, service: Service, pace: float, loop: bool, timestamps: Timestamps
) -> None:
    tally = Tally()
    shown = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    async with service.client(30.0) as client:
        with Progress(*shown, console=log, transient=True) as progress:
            bar = progress.add_task(f"replaying {file.name}", total=None)

            def tell(time_ms: int | None) -> None:
                at = "" if time_ms is None else f" at {clock(time_ms)}"
                progress.update(bar, description=f"{file.name}{at}: {tally}")

            frames = laps(lambda: read_tape(file), loop)
            sink = HttpSink(client, GIVE_UP_AFTER_S)
            try:
                await play(frames, sink, tally, pace=pace, timestamps=timestamps, on_sent=tell)
            finally:
                progress.stop()
                typer.echo(str(tally))
    if "stale_timestamp" in tally.refused:
        typer.echo("Newer marks of these symbols were there already; try --timestamps drop.")
