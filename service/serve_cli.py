"""`plimsoll serve`: the service on one machine, or one part of it.

The parts are imported by their own processes: here they would cost a second for nothing.
"""

import asyncio
from typing import Annotated, Literal

import typer

from service.errors import ServiceError
from service.part.run import run_part
from service.settings import Settings
from service.supervisor.children import SUPERVISOR, StartError
from service.supervisor.console import sayer
from service.supervisor.serve import Running, running
from service.supervisor.signals import on_hangup
from service.terminal import DataDir, Host, Port, RedisUrl, fail, log, run, settings_of


def serve(
    *,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    role: Annotated[
        Literal["all", "api", "monitor", "webhooks", "targets", "feed", "sync"],
        typer.Option(help="Which part runs here."),
    ] = "all",
    workers: Annotated[int | None, typer.Option(help="API worker processes.")] = None,
    monitors: Annotated[
        int | None, typer.Option(help="Monitors, which share the accounts.")
    ] = None,
) -> None:
    """Run the service: an embedded Valkey, API workers and monitors, each a process of its own."""
    given = {"host": host, "port": port, "data_dir": data_dir, "redis_url": redis_url}
    settings = settings_of(**given, workers=workers, monitors=monitors)
    match role:
        case "all" | "api":
            run(_serve(settings, settings.monitors if role == "all" else 0))
        case part:
            try:
                run_part(settings, part)
            except (StartError, ServiceError) as error:
                fail(str(error))


async def _serve(settings: Settings, monitors: int) -> None:
    say = sayer(settings.log_format, log)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    say(SUPERVISOR, "starting")
    async with running(settings, say, monitors) as service:
        ready = _ready_line(settings, service, loop.time() - started_s)
        if settings.log_format == "json":
            say(SUPERVISOR, ready)
        else:
            typer.echo(ready)
        with on_hangup(service.renew):
            await service.ended


def _ready_line(settings: Settings, service: Running, took_s: float) -> str:
    data = settings.redis_url or f"{settings.data_dir}/ ({settings.appendfsync})"
    if settings.keys_in_force:
        door = "for those with an API key"
    else:
        door = "without keys: whoever reaches it may do everything"
    stream = f"{service.url.replace('http', 'ws', 1)}/v1/stream"
    return (
        f"Plimsoll is ready after {took_s:.1f} s: {service.url} (docs {service.url}/docs, "
        f"stream {stream}, data {data}, {door})"
    )
