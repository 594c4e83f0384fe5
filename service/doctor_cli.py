"""`plimsoll doctor`: what is wrong with a service, why it matters, and how to mend it."""

from dataclasses import asdict
from typing import Annotated, Literal

import orjson
import typer
from rich.text import Text

from service.demo.listener import Service, web_address
from service.doctor.examine import examine
from service.doctor.findings import Report
from service.errors import StoreUnavailable
from service.settings import Settings
from service.terminal import FAILED, DataDir, RedisUrl, Token, out, run, settings_of, store_url

_STYLES = {"error": "bold red", "warning": "yellow"}


def doctor(
    *,
    url: Annotated[
        str | None, typer.Option(help="The service.", envvar="PLIMSOLL_URL", show_default="by port")
    ] = None,
    token: Token = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="How to say it.")
    ] = "text",
) -> None:
    """Look a service over: settings, store, clocks, shards, marks, feeds, tiers, keys, port."""
    settings = settings_of(data_dir=data_dir, redis_url=redis_url)
    address = web_address(url or f"127.0.0.1:{settings.port}")
    run(_doctor(settings, Service(address, token), output == "json"))


async def _doctor(settings: Settings, service: Service, as_json: bool) -> None:
    report = await examine(settings, _store_of(settings), service)
    if as_json:
        told = [asdict(finding) for finding in report.findings]
        said = {"healthy": not told, "findings": told, "lookedAt": report.looked_at}
        typer.echo(orjson.dumps(said))
    else:
        _tell(report)
    if report.errors:
        raise typer.Exit(FAILED)


def _store_of(settings: Settings) -> str | None:
    try:
        return store_url(settings)
    except StoreUnavailable:
        return None


def _tell(report: Report) -> None:
    for finding in report.findings:
        head = Text(f"{finding.severity} ", _STYLES[finding.severity])
        out.print(head.append(f"{finding.code}: {finding.what}", "default"), soft_wrap=True)
        for word, text in (("why ", finding.why), ("mend", finding.mend)):
            out.print(Text(f"  {word} ", "dim").append(text, "default"), soft_wrap=True)
    found = len(report.findings)
    count = "nothing is wrong" if not found else f"{found} finding{'s' if found > 1 else ''}"
    out.print(
        Text(f"{count}; looked at: {', '.join(report.looked_at)}", "bold" if found else "green"),
        soft_wrap=True,
    )
