"""`plimsoll instruments`: contract terms and tiers from venues' tables, compared, then written."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.table import Table

from service.contract.names import VENUES
from service.demo.listener import Service, web_address
from service.errors import ServiceError
from service.imports.changes import compare
from service.imports.outcome import Outcome
from service.imports.records import Asked
from service.imports.sources import CCXT, Source
from service.imports.writing import stored_instruments, write_instruments
from service.risk.model import GENERIC_VENUE
from service.terminal import fail, log, out, run

DEFAULT_URL = "http://127.0.0.1:8000"
CALL_TIMEOUT_S = 30.0
_EVERY = re.compile(r"^(\d+)([smhd])$")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}

instruments = typer.Typer(help="Contract terms and tiers: import, list.", no_args_is_help=True)

Url = Annotated[str, typer.Option(help="The service to talk to.", envvar="PLIMSOLL_URL")]
Token = Annotated[
    str | None,
    typer.Option(help="API key; better given by the variable.", envvar="PLIMSOLL_TOKEN"),
]
Form = Annotated[Literal["table", "json"], typer.Option("--output", "-o", help="How to show it.")]
OfVenue = Annotated[str | None, typer.Option(help="Whose tables they are.")]


@dataclass(frozen=True, slots=True)
class Ways:
    """How an import goes about it: whether it writes, whether it asks before, how it tells."""

    writing: bool
    asking: bool
    as_json: bool

    def writes(self, count: int) -> bool:
        """Whether so many changes are to be written; asks, where that is the way."""
        return self.writing and (not self.asking or typer.confirm(f"Write {count}?"))


@instruments.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(help="A file, or ccxt:CLASS, as ccxt:bybit (extra `ccxt`).")
    ],
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    venue: OfVenue = None,
    markets: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="ccxt's load_markets, a file.")
    ] = None,
    tier_unit: Annotated[
        Literal["notional", "contracts"] | None,
        typer.Option(help="What sizes count, where the venue's way is not known."),
    ] = None,
    symbol: Annotated[list[str], typer.Option(help="Only this one; again for more.")] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes only.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    every: Annotated[
        str | None, typer.Option(help="Do it again and again, as 6h; needs --yes.")
    ] = None,
    output: Form = "table",
) -> None:
    """Compare a source with what is stored, show the difference, and write it."""
    _check_venue(venue)
    pause_s = None if every is None else _seconds(every)
    if not source.startswith(CCXT) and not Path(source).is_file():
        raise typer.BadParameter(f"no file, nor {CCXT}CLASS", param_hint="SOURCE")
    if not (dry_run or yes) and (every is not None or output == "json"):
        raise typer.BadParameter("give --yes or --dry-run: nobody is asked here")
    asked = Asked(venue, tier_unit, tuple(symbol))  # type: ignore[arg-type]  # checked above
    ways = Ways(writing=not dry_run, asking=not yes, as_json=output == "json")
    read_from = Source(source, asked, markets)
    run(_import(Service(web_address(url), token), read_from, ways, pause_s))


@instruments.command("list")
def show(
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    venue: OfVenue = None,
    symbol: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    output: Form = "table",
) -> None:
    """Show what is stored; with `-o json` as `import` takes it."""
    _check_venue(venue)
    run(_show(Service(web_address(url), token), venue, symbol, output))


async def _import(service: Service, source: Source, ways: Ways, pause_s: float | None) -> None:
    good = True
    while True:
        try:
            good = await _once(service, source, ways)
        except ServiceError as error:
            if pause_s is None:
                raise
            # What is stored stays as it is; the next time may go better.
            log.print(f"not this time: {error}", style="red", highlight=False, markup=False)
        if pause_s is None:
            break
        await asyncio.sleep(pause_s)
    if not good:
        fail("not everything was imported: see the lines above that begin with !")


async def _once(service: Service, source: Source, ways: Ways) -> bool:
    """Import once; return whether nothing was refused."""
    reading = await source.read()
    async with service.client(CALL_TIMEOUT_S) as client:
        comparison = compare(await stored_instruments(client), reading)
        outcome = Outcome(reading, comparison)
        _say(outcome.difference(), ways)
        if comparison.changes and ways.writes(len(comparison.changes)):
            documents = [change.document for change in comparison.changes]
            try:
                async for document, result in write_instruments(client, documents):
                    outcome.results[document.venue or GENERIC_VENUE, document.symbol] = result
            finally:
                _say(outcome.written(), ways)
    if ways.as_json:
        typer.echo(outcome.json())
    return outcome.is_good


def _say(lines: Iterable[str], ways: Ways) -> None:
    if not ways.as_json:
        typer.echo("\n".join(lines))


async def _show(service: Service, venue: str | None, symbol: str | None, output: str) -> None:
    async with service.client(CALL_TIMEOUT_S) as client:
        found = await stored_instruments(client, venue, symbol)
    if output == "json":
        typer.echo(msgspec.json.encode(found))
        return
    names = ("venue", "symbol", "kind", "contract", "tiers", "unit", "first rate", "last rate")
    table = Table(*names, box=None, header_style="dim")
    for one in found:
        kind = "linear" if one.linear else "inverse"
        rates = [f"{100.0 * one.tiers[end].maintenance_margin_rate:g} %" for end in (0, -1)]
        size, unit = f"{one.contract_size:g}", one.tier_unit or "notional"
        table.add_row(
            one.venue or GENERIC_VENUE, one.symbol, kind, size, str(len(one.tiers)), unit, *rates
        )
    out.print(table)


def _seconds(text: str) -> float:
    match = _EVERY.match(text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter("as 30m, 6h or 1d", param_hint="--every")
    return int(match[1]) * _SECONDS[match[2]]


def _check_venue(venue: str | None) -> None:
    if venue is not None and venue not in VENUES:
        raise typer.BadParameter(f"one of {', '.join(VENUES)}", param_hint="--venue")
