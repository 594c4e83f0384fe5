"""`plimsoll backup`, `restore` and `migrate`: the stored data as a whole."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from service.errors import StoreUnavailable
from service.settings import RELEASE, Settings
from service.store import embedded
from service.store.client import connect
from service.store.formats import FORMAT, STEPS, found_format, migrate, refuse_other, steps_between
from service.supervisor.backups import Manifest, back_up, restore
from service.supervisor.brief_valkey import brief_valkey
from service.terminal import DataDir, RedisUrl, log, run, settings_of


def backup(
    target: Annotated[Path, typer.Argument(help="A new directory for the backup.")],
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Back up everything stored, while the service runs or not; checked before it has its name."""
    run(_backup(settings_of(data_dir=data_dir, redis_url=redis_url), target))


async def _backup(settings: Settings, target: Path) -> None:
    async with AsyncExitStack() as stack:
        manifest = await back_up(await _store(settings, stack), target, RELEASE)
    typer.echo(_told(manifest, target))


def restore_backup(
    backup: Annotated[Path, typer.Argument(help="A directory that `plimsoll backup` made.")],
    data_dir: Annotated[Path, typer.Option(help="Where to: a new directory, or an empty one.")],
) -> None:
    """Make a data directory of a backup; clients are told that history may be missing."""
    run(_restore(backup, data_dir))


async def _restore(backup: Path, data_dir: Path) -> None:
    manifest = await restore(backup, data_dir)
    typer.echo(f"{_told(manifest, backup)}\nrestored: plimsoll serve --data-dir {data_dir}")


def migrate_data(
    check: Annotated[bool, typer.Option("--check", help="Change nothing, fail when old.")] = False,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Bring stored data of an earlier release up to this one's format."""
    run(_migrate(settings_of(data_dir=data_dir, redis_url=redis_url), check))


async def _migrate(settings: Settings, check: bool) -> None:
    async with AsyncExitStack() as stack:
        url = await _store(settings, stack)
        client = await stack.enter_async_context(connect(url))
        found = await found_format(client)
        if found is None:
            typer.echo(f"no data yet: it will be of format {FORMAT}")
            return
        steps = steps_between(found, STEPS, FORMAT)
        if check:
            for step in steps:
                typer.echo(f"to do: {step.what}")
            refuse_other(found)
        await migrate(client, lambda text: log.print(text, highlight=False))
        typer.echo(f"the data is of format {FORMAT}, which this release reads and writes")


async def _store(settings: Settings, stack: AsyncExitStack) -> str:
    """Return the URL of the store: a Redis, a running service's, or one for a while."""
    if settings.redis_url is not None:
        return settings.redis_url
    data_dir = _there(settings.data_dir)
    socket_file = embedded.socket_path(data_dir)
    url = f"unix://{socket_file}"
    if await _answers(url):
        return url
    return await stack.enter_async_context(brief_valkey(data_dir))


def _there(data_dir: str) -> Path:
    """Return the directory; a mistyped one is not made."""
    if not Path(data_dir).is_dir():
        raise StoreUnavailable(f"there is no data directory {data_dir}: give --data-dir")
    return Path(data_dir)


async def _answers(url: str) -> bool:
    async with connect(url) as client:
        try:
            await client.call("PING")
        except StoreUnavailable:
            return False
    return True


def _told(manifest: Manifest, backup: Path) -> str:
    holds = manifest.holds
    return (
        f"{backup}: format {holds.format}, release {manifest.release}, {manifest.size_bytes:,} "
        f"bytes, {holds.accounts:,} accounts, {holds.alerts:,} alerts in the log, market entry "
        f"{holds.market_id:,}, epoch {holds.epoch}"
    )
