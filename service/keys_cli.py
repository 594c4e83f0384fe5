"""`plimsoll keys`: who may call the service; it talks to the store, not to the service.

So whoever can reach the store (a socket in the data directory, or Redis) is the operator.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from service.settings import Settings
from service.store.api_keys import SCOPES, ApiKey, ApiKeys, Scope, parts_of
from service.store.client import connect
from service.store.keys import DEFAULT_TENANT
from service.terminal import DataDir, RedisUrl, log, out, run, settings_of, store_url

DAY_MS = 86_400_000

keys = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, as `list` shows it.")],
    scope: Annotated[
        list[str], typer.Option(help=f"{', '.join(SCOPES)} (has them all); again for more.")
    ],
    *,
    tenant: Annotated[str, typer.Option(help="Whose accounts: a-z, 0-9 and -.")] = DEFAULT_TENANT,
    days: Annotated[float | None, typer.Option(help="Expires after so long.")] = None,
    rate: Annotated[
        float | None, typer.Option(help="Units a second for its calls, instead of the setting's.")
    ] = None,
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Create a key and print its token, this once."""
    settings = settings_of(data_dir=data_dir, redis_url=redis_url)
    unknown = [one for one in scope if one not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCOPES)}")
    scopes = tuple(one for one in SCOPES if one in scope)
    run(_create(settings, name, tenant, scopes, days=days, rate_per_s=rate))


@keys.command("list")
def show(data_dir: DataDir = None, redis_url: RedisUrl = None) -> None:
    """Show every key there ever was, without its secret."""
    run(_list(settings_of(data_dir=data_dir, redis_url=redis_url)))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `list` shows it, or the token.")],
    data_dir: DataDir = None,
    redis_url: RedisUrl = None,
) -> None:
    """Make a key worthless for good; calls are refused and streams closed within seconds."""
    parts = parts_of(key_id)
    named = key_id if parts is None else parts[0]
    run(_revoke(settings_of(data_dir=data_dir, redis_url=redis_url), named))


async def _create(
    settings: Settings,
    name: str,
    tenant: str,
    scopes: tuple[Scope, ...],
    *,
    days: float | None,
    rate_per_s: float | None,
) -> None:
    now_ms = _now_ms()
    expires_ms = None if days is None else now_ms + round(days * DAY_MS)
    async with _opened(settings) as store:
        key, token = await store.create(
            name, tenant, scopes, now_ms, expires_ms, rate_per_s=rate_per_s
        )
    log.print(f"key {key.id} of tenant {tenant}; this token is not shown again:", highlight=False)
    typer.echo(token)
    if not settings.keys_in_force:
        hint = "Keys count where the service runs with PLIMSOLL_REQUIRE_KEYS=true."
        log.print(hint, style="dim", highlight=False)


async def _list(settings: Settings) -> None:
    async with _opened(settings) as store:
        found = await store.list()
    names = ("id", "name", "tenant", "scopes", "created", "expires", "state")
    table = Table(*names, box=None, header_style="dim")
    for key in found:
        expires = "never" if key.expires is None else _day(key.expires)
        scopes = " ".join(key.scopes)
        table.add_row(key.id, key.name, key.tenant, scopes, _day(key.created), expires, _state(key))
    out.print(table)


async def _revoke(settings: Settings, key_id: str) -> None:
    async with _opened(settings) as store:
        key = await store.revoke(key_id, _now_ms())
    typer.echo(f"key {key.id} ({key.name}) is revoked")


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[ApiKeys]:
    """Yield the keys of the store that the settings name: a Redis, or a running service's own."""
    async with connect(store_url(settings)) as client:
        yield ApiKeys(client)


def _state(key: ApiKey) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    return "good" if key.is_good(_now_ms()) else "expired"


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _now_ms() -> int:
    return int(time.time() * 1_000)
