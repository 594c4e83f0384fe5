"""What every command of the terminal shares: settings it is given, how it runs, how it fails."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from service.errors import ServiceError, StoreUnavailable
from service.settings import Settings
from service.store import embedded
from service.supervisor.children import StartError
from service.supervisor.signals import until_signalled

FAILED = 1
MISUSED = 2
DEFAULT_URL = "http://127.0.0.1:8000"
GIVE_UP_AFTER_S = 30.0

out = Console()
log = Console(stderr=True)

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]
DataDir = Annotated[Path | None, typer.Option(help="Where the embedded Valkey keeps its file.")]
Url = Annotated[str, typer.Option(help="The service to talk to.", envvar="PLIMSOLL_URL")]
Token = Annotated[
    str | None,
    typer.Option(help="API key; better given by the variable.", envvar="PLIMSOLL_TOKEN"),
]
RedisUrl = Annotated[str | None, typer.Option(help="Use this Redis or Valkey and embed none.")]


def settings_of(**given: object) -> Settings:
    """Return the settings of the environment, with what the command line says instead."""
    values = {name: str(value) for name, value in given.items() if value is not None}
    try:
        return Settings(**values)  # type: ignore[arg-type]  # texts, as an environment gives them
    except ValidationError as error:
        for found in error.errors():
            name = str(found["loc"][0])
            variable = f"--{name.replace('_', '-')} or PLIMSOLL_{name.upper()}"
            log.print(f"{variable}: {found['msg']}", style="red", highlight=False)
        raise typer.Exit(MISUSED) from None


def store_url(settings: Settings) -> str:
    """Return the store that the settings name: a Redis, or a running service's own.

    Raises StoreUnavailable where no service runs.
    """
    if settings.redis_url is not None:
        return settings.redis_url
    socket_file = embedded.socket_path(Path(settings.data_dir))
    if not socket_file.exists():
        raise StoreUnavailable(
            f"no service runs over {settings.data_dir}: start it, or give --data-dir or --redis-url"
        )
    return f"unix://{socket_file}"


def run(
    work: Coroutine[Any, Any, None],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run until it ends or a signal comes; what is wrong is told in a line, not in a trace."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(until_signalled(work))
    except (StartError, ServiceError) as error:
        fail(str(error))


def fail(text: str) -> NoReturn:
    """Say why, and end with a code that tells."""
    log.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(FAILED)
