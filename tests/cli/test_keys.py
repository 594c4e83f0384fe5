"""`plimsoll keys`: the token is printed once, the list has no secret, a revoked key says so."""

import asyncio
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from service import keys_cli
from service.cli import cli
from service.store.api_keys import ApiKey, ApiKeys, hash_of, parts_of
from service.store.client import connect


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_cli, "out", Console(width=200))


def keys(redis_url: str, *arguments: str, **environment: str) -> Result:
    command = ["keys", *arguments, "--redis-url", redis_url]
    return CliRunner().invoke(cli, command, env=environment)


def stored(redis_url: str) -> list[ApiKey]:
    async def read() -> list[ApiKey]:
        async with connect(redis_url) as client:
            return await ApiKeys(client).list()

    return asyncio.run(read())


def test_create_prints_the_token_and_nothing_else(redis_url: str) -> None:
    ended = keys(
        redis_url,
        *("create", "my bot", "--tenant", "desk-1", "--days", "0.5"),
        *("--scope", "alerts:read", "--scope", "evaluate", "--scope", "evaluate"),
    )
    assert ended.exit_code == 0, ended.output
    parts = parts_of(ended.stdout.removesuffix("\n"))
    assert parts is not None
    (key,) = stored(redis_url)
    assert (key.id, key.secret_hash) == (parts[0], hash_of(parts[1]))
    assert (key.name, key.tenant, key.scopes) == ("my bot", "desk-1", ("evaluate", "alerts:read"))
    assert key.expires == key.created + 43_200_000
    assert "PLIMSOLL_REQUIRE_KEYS" in ended.stderr  # nobody is asked for it yet
    asked_for = keys(redis_url, "create", "b", "--scope", "admin", PLIMSOLL_REQUIRE_KEYS="true")
    assert "PLIMSOLL_REQUIRE_KEYS" not in asked_for.stderr


def test_list_shows_what_became_of_keys_and_no_secret(redis_url: str) -> None:
    made = [
        keys(redis_url, "create", name, "--scope", "admin", *more).stdout.strip()
        for name, *more in (["good"], ["short", "--days", "0.00000002"], ["gone"])
    ]
    ids = [token.split("_")[1] for token in made]
    revoked = keys(redis_url, "revoke", ids[2])
    assert revoked.exit_code == 0
    assert ids[2] in revoked.stdout

    shown = keys(redis_url, "list")
    assert shown.exit_code == 0
    rows = {line.split()[1]: line for line in shown.stdout.splitlines()[1:]}
    assert rows["good"].rstrip().endswith("never                 good")
    assert rows["short"].rstrip().endswith("expired")
    assert "revoked 20" in rows["gone"]
    for token, key in zip(made, stored(redis_url), strict=True):
        assert token.split("_")[2] not in shown.output
        assert key.secret_hash not in shown.output


def test_revoke_takes_the_token_itself(redis_url: str) -> None:
    token = keys(redis_url, "create", "b", "--scope", "admin").stdout.strip()
    assert keys(redis_url, "revoke", token).exit_code == 0
    assert stored(redis_url)[0].revoked is not None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("create", "b"), 2, "--scope"),
        (("create", "b", "--scope", "root"), 2, "root"),
        (("create", "b", "--scope", "admin", "--tenant", "a/b"), 1, "tenant"),
        (("create", "b", "--scope", "admin", "--days", "0"), 1, "expired"),
        (("create", "b", "--scope", "admin", "--rate", "-1"), 1, "rate"),
        (("revoke", "000000000000"), 1, "no key 000000000000"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    redis_url: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ended = keys(redis_url, *arguments)
    assert ended.exit_code == code
    assert says in ended.output
    assert "Traceback" not in ended.output
    assert stored(redis_url) == []


def test_without_a_service_it_says_what_to_give(tmp_path: Path) -> None:
    ended = CliRunner().invoke(cli, ["keys", "list", "--data-dir", str(tmp_path)])
    assert ended.exit_code == 1
    assert "--redis-url" in ended.output
    away = keys("redis://127.0.0.1:1", "list")
    assert away.exit_code == 1
    assert "Traceback" not in away.output
