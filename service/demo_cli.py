"""`plimsoll demo`: a service, accounts, a crash, and the alerts as they come."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service.demo.listener import web_address
from service.demo.run import DemoOptions, run_demo
from service.terminal import DataDir, Host, Port, RedisUrl, Token, out, run, settings_of

Plain = Annotated[bool, typer.Option("--plain", help="Lines of text instead of a live picture.")]


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
