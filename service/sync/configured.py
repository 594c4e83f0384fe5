"""`sync.toml`: the accounts to be kept, where each is read, and where its keys are.

The file has no secret in it: a key is named by the variable or the file that holds it. What is read
from there is in no message and no representation.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from service.contract.names import AccountId, Venue
from service.contract.numbers import Fraction
from service.contract.positions import MarginMode
from service.errors import InvalidInput
from service.imports.conventions import VENUES_OF_CLASSES
from service.unified.account import UNDERSTOOD
from service.unified.records import CollateralMode, Terms

# ccxt's names of what a venue gives, and how the file names each.
SECRETS = {"apiKey": "api_key", "secret": "secret", "password": "password"}
CLASSES = tuple(name for name, venue in VENUES_OF_CLASSES.items() if venue in UNDERSTOOD)


class _Account(Struct, forbid_unknown_fields=True, kw_only=True):
    """An account as the file has it."""

    id: AccountId
    exchange: str
    venue: Venue | None = None
    every_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 30.0
    websocket: bool = True
    margin_mode: MarginMode | None = None
    collateral_mode: CollateralMode | None = None
    weights: dict[str, Fraction] = {}
    settles: list[str] = []
    wallet_address: str | None = None
    uid: str | None = None
    url: str | None = None
    stream_url: str | None = None
    api_key_env: str | None = None
    api_key_file: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    password_env: str | None = None
    password_file: str | None = None


class _Service(Struct, forbid_unknown_fields=True):
    """Where the accounts are written."""

    url: str | None = None
    token_env: str = "PLIMSOLL_TOKEN"
    token_file: str | None = None


class _File(Struct, forbid_unknown_fields=True):
    accounts: Annotated[list[_Account], Meta(min_length=1)]
    service: _Service = msgspec.field(default_factory=_Service)


@dataclass(frozen=True, slots=True)
class SyncedAccount:
    """One account to keep. `settles`: of which assets, where a venue is asked for each apart.

    `url` and `stream_url` go before the venue's own hosts.
    """

    account_id: str
    exchange: str
    venue: Venue
    every_s: float
    websocket: bool
    terms: Terms
    settles: tuple[str, ...]
    url: str | None
    stream_url: str | None
    keys: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Configured:
    """All of the file; the token is the service's API key, where it wants one."""

    accounts: tuple[SyncedAccount, ...]
    url: str | None
    token: str | None = field(repr=False)


def read_configured(file: Path, environment: Mapping[str, str]) -> Configured:
    """Read the file and the keys it names; raises InvalidInput with what is wrong, and where."""
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{file}: {error}") from None
    _refuse_secrets(content, file)
    try:
        found = msgspec.convert(content, _File)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{file}: {error}") from None
    accounts = tuple(_account(one, file, environment) for one in found.accounts)
    names = [one.account_id for one in accounts]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise InvalidInput(f"{file}: listed twice: {', '.join(sorted(doubled))}")
    service = found.service
    token = _held(service.token_env, service.token_file, "service.token_file", environment)
    return Configured(accounts, service.url, token)


def _refuse_secrets(content: Mapping[str, Any], file: Path) -> None:
    """Raise where a secret itself is in the file; the message does not repeat it."""
    tables = content.get("accounts")
    for table in tables if isinstance(tables, list) else []:
        for name in SECRETS.values():
            if isinstance(table, Mapping) and name in table:
                detail = f"no {name} in this file: name a variable ({name}_env) or {name}_file"
                raise InvalidInput(f"{file}: {detail}")


def _account(one: _Account, file: Path, environment: Mapping[str, str]) -> SyncedAccount:
    if one.exchange not in CLASSES:
        raise InvalidInput(f"{file}: {one.id}: exchange is one of {', '.join(sorted(CLASSES))}")
    keys = {}
    for name, key in SECRETS.items():
        variable, path = getattr(one, f"{key}_env"), getattr(one, f"{key}_file")
        if variable is None and path is None:
            continue
        held = _held(variable, path, f"{one.id}: {key}", environment)
        if held is None:
            raise InvalidInput(f"{file}: {one.id}: the variable {variable} is not set")
        keys[name] = held
    names = {"walletAddress": one.wallet_address, "uid": one.uid}
    keys |= {name: value for name, value in names.items() if value is not None}
    return SyncedAccount(
        one.id,
        one.exchange,
        one.venue or VENUES_OF_CLASSES[one.exchange],
        one.every_s,
        one.websocket,
        Terms(one.collateral_mode, one.margin_mode, one.weights),
        tuple(one.settles),
        one.url,
        one.stream_url,
        keys,
    )


def _held(
    variable: str | None, path: str | None, what: str, environment: Mapping[str, str]
) -> str | None:
    """Return a secret from its file, else from its variable; None where that is not set."""
    if path is not None:
        try:
            return Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"{what}: the file cannot be read") from None
    return environment.get(variable) if variable else None
