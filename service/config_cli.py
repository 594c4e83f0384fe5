"""`plimsoll config`: every setting, its value, where that comes from, what it means."""

import re
from typing import Annotated, Any, Literal

import orjson
import typer
from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource
from rich.table import Table

from service import terminal
from service.settings import Settings
from service.terminal import DataDir, RedisUrl, settings_of

HIDDEN = "**********"
_PASSWORD = re.compile(r"(?<=://)([^@/,]*:)[^@/,]*(?=@)")  # in a URL: user:password@


def config(
    *,
    host: Annotated[str | None, typer.Option(help="As given to `serve`.")] = None,
    port: Annotated[int | None, typer.Option(help="As given to `serve`.")] = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    workers: Annotated[int | None, typer.Option(help="As given to `serve`.")] = None,
    monitors: Annotated[int | None, typer.Option(help="As given to `serve`.")] = None,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="How to show it.")
    ] = "table",
) -> None:
    """Show every setting: its variable, its value, where that comes from, what it means."""
    given = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "redis_url": redis_url,
        "workers": workers,
        "monitors": monitors,
    }
    rows = _rows(settings_of(**given), {name for name in given if given[name] is not None})
    if output == "json":
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    table = Table("variable", "value", "from", "meaning", box=None, header_style="dim")
    for row in rows:
        table.add_row(row["variable"], str(row["value"]), row["source"], row["meaning"])
    terminal.out.print(table)


def _rows(settings: Settings, given: set[str]) -> list[dict[str, Any]]:
    """Return a row a setting; what wins stands first: command line, environment, .env, default."""
    in_environment, in_file = EnvSettingsSource(Settings)(), DotEnvSettingsSource(Settings)()
    rows = []
    for name, field in Settings.model_fields.items():
        source = "default"
        if name in given:
            source = "command line"
        elif name in in_environment:
            source = "environment"
        elif name in in_file:
            source = ".env file"
        row = {"variable": f"PLIMSOLL_{name.upper()}", "value": _shown(getattr(settings, name))}
        rows.append(row | {"source": source, "meaning": field.description})
    return rows


def _shown(value: Any) -> Any:
    """Return a value as it may be seen: no secret, no password inside a URL."""
    if isinstance(value, SecretStr):
        return HIDDEN
    return _PASSWORD.sub(rf"\1{HIDDEN}", value) if isinstance(value, str) else value
