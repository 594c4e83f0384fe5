"""`plimsoll sync`: accounts kept as their venues say, beside a running service."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.errors import ServiceError
from service.logs import log_to_stderr
from service.settings import Settings
from service.supervisor.extras import check_extras, configured_of
from service.supervisor.sync import opened, run_sync
from service.sync.account_sync import AccountSync
from service.sync.exchange import VenueTrouble
from service.terminal import RedisUrl, fail, out, run, settings_of


def sync(
    file: Annotated[
        Path | None, typer.Argument(help="sync.toml; default: PLIMSOLL_SYNC_FILE", dir_okay=False)
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each venue once, show what it says, write nothing.")
    ] = False,
    redis_url: RedisUrl = None,
) -> None:
    """Keep accounts as their venues say, by REST snapshots with keys that read."""
    settings = settings_of(sync_file=file, redis_url=redis_url)
    if not check:
        log_to_stderr(settings.log_level, settings.log_format, "sync")
    run(_check(settings) if check else _keep(settings))


async def _keep(settings: Settings) -> None:
    check_extras(settings)
    await run_sync(settings)


async def _check(settings: Settings) -> None:
    """Show what each venue says of its account: positions, clock, and what the key may do."""
    check_extras(settings)
    configured = configured_of(settings)
    names = ("account", "exchange", "positions", "clock", "key", "says")
    table = Table(*names, box=None, header_style="dim")
    good = True
    async with opened(settings, configured) as syncs:
        for account, one in zip(configured.accounts, syncs, strict=True):
            row, fine = await _looked(one)
            table.add_row(account.account_id, account.exchange, *row)
            good = good and fine
    out.print(table)
    if not good:
        fail("not every account can be kept with a key that only reads: see above")


async def _looked(one: AccountSync) -> tuple[list[str], bool]:
    try:
        told = await one.look()
        reading = await one.read()
    except (VenueTrouble, ServiceError) as error:
        return ["", "", "", error.detail], False
    figures = one.figures()
    clock = "not told" if figures.clock_offset_ms is None else f"{figures.clock_offset_ms:+.0f} ms"
    key = {True: "may trade", False: "reads", None: "not told"}[told.may_trade]
    said = "; ".join(f"{remark.pointer} {remark.code}" for remark in reading.remarks)
    row = [str(figures.positions), clock, key, f"{told.said}; {said}" if said else told.said]
    return row, told.may_trade is not True
