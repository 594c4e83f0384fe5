"""The command line: what `plimsoll` can be told, and little of how it is done.

The service itself is imported by its parts alone (`part`): here it would cost a second for nothing.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Literal

import httpx
import msgspec
import typer

from service.config_cli import config
from service.contract.evaluation import EvaluateAnswer
from service.demo.answers import pool_table, position_table, problem_lines
from service.demo.listener import Service, stream_url, web_address
from service.demo.run import DemoOptions, run_demo
from service.doctor_cli import doctor
from service.errors import ServiceError
from service.feeds_cli import feed
from service.instruments_cli import instruments
from service.keys_cli import keys
from service.openapi_cli import openapi
from service.owe_cli import owe
from service.part import run_part
from service.replay_cli import replay
from service.settings import Settings
from service.store_cli import backup, migrate_data, restore_backup
from service.supervisor.children import SUPERVISOR, StartError
from service.supervisor.console import prefixed
from service.supervisor.serve import Running, running
from service.supervisor.signals import on_hangup
from service.sync_cli import sync
from service.terminal import (
    DEFAULT_URL,
    DataDir,
    RedisUrl,
    Token,
    fail,
    log,
    out,
    run,
    settings_of,
)
from service.watch_cli import watch

JSON = "application/json"

cli = typer.Typer(
    name="plimsoll",
    help="Real-time risk for perpetual futures: who is near a margin call, a liquidation, a debt?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.add_typer(keys, name="keys")
cli.command()(feed)
cli.add_typer(instruments, name="instruments")
cli.command()(owe)
cli.command()(openapi)
cli.command()(backup)
cli.command("restore")(restore_backup)
cli.command("migrate")(migrate_data)
cli.command()(sync)
cli.command()(replay)
cli.command()(config)
cli.command()(doctor)
cli.command()(watch)

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines of text instead of a live picture.")]


@cli.command()
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
    say = prefixed(log)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    say(SUPERVISOR, "starting")
    async with running(settings, say, monitors) as service:
        typer.echo(_ready_line(settings, service, loop.time() - started_s))
        with on_hangup(service.renew):
            await service.ended


def _ready_line(settings: Settings, service: Running, took_s: float) -> str:
    data = settings.redis_url or f"{settings.data_dir}/ ({settings.appendfsync})"
    if settings.keys_in_force:
        door = "for those with an API key"
    else:
        door = "without keys: whoever reaches it may do everything"
    return (
        f"Plimsoll is ready after {took_s:.1f} s: {service.url} (docs {service.url}/docs, "
        f"stream {stream_url(service.url)}, data {data}, {door})"
    )


@cli.command()
def demo(
    *,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    url: Annotated[str | None, typer.Option(help="Use this running service, start none.")] = None,
    token: Token = None,
    accounts: Annotated[int, typer.Option(min=1, help="How many accounts.")] = 320,
    seed: Annotated[int, typer.Option(help="Of the accounts and of the market.")] = 7,
    seconds: Annotated[float | None, typer.Option(min=1.0, help="End after so long.")] = None,
    plain: Plain = False,
    export: Annotated[
        Path | None, typer.Option("--export-svg", help="Write the last picture here.")
    ] = None,
) -> None:
    """Start a service, load accounts, let the market crash and show the alerts as they come."""
    given_port = port is not None or "PLIMSOLL_PORT" in os.environ
    options = DemoOptions(
        seconds,
        plain or not out.is_terminal,
        accounts,
        seed,
        None if url is None else web_address(url),
        data_dir,
        not given_port,
        export,
        token,
    )
    settings = settings_of(host=host, port=port, redis_url=redis_url)
    run(run_demo(options, settings, out))


@cli.command()
def evaluate(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A request, as JSON.")],
    url: Annotated[str | None, typer.Option(help="Ask this service and use its marks.")] = None,
    token: Token = None,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="How to show the answer.")
    ] = "table",
) -> None:
    """Evaluate the accounts in a file, written as in POST /v1/evaluate; needs no service."""
    with log.status("evaluating"):
        try:
            response = asyncio.run(_evaluate(file.read_bytes(), url, token))
        except httpx.TransportError as error:
            fail(f"no service answers at {url}: {error}")
    if output == "json":
        typer.echo(response.content)
    if not response.is_success:
        fail(response.text if output == "table" else f"answered {response.status_code}")
    if output == "table":
        answer = msgspec.json.decode(response.content, type=EvaluateAnswer)
        out.print(pool_table(answer), "", position_table(answer))
        for problem in problem_lines(answer):
            log.print(problem, style="red", highlight=False)


async def _evaluate(body: bytes, url: str | None, token: str | None) -> httpx.Response:
    address = "/v1/evaluate"
    if url is not None:
        async with Service(web_address(url), token).client(60.0) as client:
            return await client.post(address, content=body, headers={"Content-Type": JSON})
    from service import app as rooms  # noqa: PLC0415 - see above

    # Nobody else calls the service inside this process: it needs no keys.
    settings = settings_of().model_copy(update={"require_keys": False, "bootstrap_key": None})
    inside = httpx.ASGITransport(app=rooms.build_api(settings))
    async with httpx.AsyncClient(transport=inside, base_url=DEFAULT_URL) as client:
        return await client.post(address, content=body, headers={"Content-Type": JSON})


def main() -> None:
    """Run the command line."""
    cli()
