"""API keys: who may call, for which tenant, to do what; a secret is shown once and never stored.

All records are in one hash and none is ever removed, so a key that was revoked stays known as one.
A token is `plk_<id>_<secret>`: the id finds the record, which has the SHA-256 of the secret. The
secret has 256 random bits, so a slow hash would protect nothing more. To create or to revoke is one
command each. When its answer is lost, a created key is one whose secret nobody knows, and who
revokes may revoke again.
"""

import hashlib
import math
import re
import secrets
from typing import Literal, TypeAlias, get_args

import msgspec

from service.errors import Fault, InvalidInput, UnknownKey
from service.store import keys
from service.store.client import Client

Scope: TypeAlias = Literal[
    "evaluate", "accounts:read", "accounts:write", "marks:write", "alerts:read", "admin"
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
NAME_MAX = 100
_TENANT = re.compile(r"[a-z0-9-]{1,64}")
_TOKEN = re.compile(r"plk_([0-9a-f]{12})_([0-9a-f]{64})")


class ApiKey(msgspec.Struct, rename="camel", frozen=True):
    """A key as it is stored; times are epoch milliseconds."""

    id: str
    secret_hash: str  # SHA-256 of the secret, in hexadecimal
    name: str
    tenant: str
    scopes: tuple[str, ...]  # one that this release does not know opens nothing
    created: int
    expires: int | None = None  # good until then; None: for good
    revoked: int | None = None
    rate_per_s: float | None = None  # units of its rate limit; 0: none; None: as the settings say

    def is_good(self, now_ms: int) -> bool:
        """Whether the key opens anything now; at the very moment it expires it no longer does."""
        return self.revoked is None and (self.expires is None or now_ms < self.expires)


_decoder = msgspec.json.Decoder(ApiKey)


def hash_of(secret: str) -> str:
    """Return what is stored and compared of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def parts_of(token: str) -> tuple[str, str] | None:
    """Return a token's key id and secret; None for a text that cannot be one of ours."""
    found = _TOKEN.fullmatch(token)
    return None if found is None else (found[1], found[2])


class ApiKeys:
    """The keys of a service: made, listed and revoked by the operator, found by the door."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(
        self,
        name: str,
        tenant: str,
        scopes: tuple[Scope, ...],
        now_ms: int,
        expires_ms: int | None = None,
        *,
        rate_per_s: float | None = None,
    ) -> tuple[ApiKey, str]:
        """Store a new key and return it with its token, which nobody can be shown again."""
        _check(name, tenant, scopes, now_ms, expires_ms)
        if rate_per_s is not None and not 0.0 <= rate_per_s < math.inf:
            fault = Fault("/ratePerS", "out_of_range", "a rate is not negative; 0 is no limit")
            raise InvalidInput.of(fault)
        key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
        created = ApiKey(
            key_id,
            hash_of(secret),
            name,
            tenant,
            scopes,
            now_ms,
            expires_ms,
            rate_per_s=rate_per_s,
        )
        if not await self._client.call("HSETNX", keys.API_KEYS, key_id, _encoded(created)):
            raise InvalidInput("another key has this id by chance: create it again")
        return created, f"plk_{key_id}_{secret}"

    async def list(self) -> list[ApiKey]:
        """Return every key there ever was, in the order of their making."""
        found = await self._client.call("HVALS", keys.API_KEYS)
        return sorted(map(_decoder.decode, found), key=lambda key: (key.created, key.id))

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key as it is stored, good or not."""
        found = await self._client.call("HGET", keys.API_KEYS, key_id)
        return None if found is None else _decoder.decode(found)

    async def revoke(self, key_id: str, now_ms: int) -> ApiKey:
        """Make a key worthless for good; one that was revoked keeps its time. Raises UnknownKey."""
        found = await self.find(key_id)
        if found is None:
            raise UnknownKey(f"there is no key {key_id}")
        if found.revoked is None:
            found = msgspec.structs.replace(found, revoked=now_ms)
            await self._client.call("HSET", keys.API_KEYS, key_id, _encoded(found))
        return found


def _encoded(key: ApiKey) -> bytes:
    return msgspec.json.encode(key)


def _check(
    name: str, tenant: str, scopes: tuple[Scope, ...], now_ms: int, expires_ms: int | None
) -> None:
    """Raise InvalidInput for what no key can be."""
    faults = []
    if not (1 <= len(name) <= NAME_MAX and name.isprintable()):
        detail = f"a name has 1 to {NAME_MAX} printable characters"
        faults.append(Fault("/name", "invalid_value", detail))
    if not _TENANT.fullmatch(tenant):
        detail = "a tenant is named by 1 to 64 of a-z, 0-9 and -"
        faults.append(Fault("/tenant", "invalid_value", detail))
    if not scopes or set(scopes) - set(SCOPES):
        detail = f"scopes: one or more of {', '.join(SCOPES)}"
        faults.append(Fault("/scopes", "invalid_value", detail))
    if expires_ms is not None and expires_ms <= now_ms:
        faults.append(
            Fault("/expires", "out_of_range", "a key cannot have expired before it is made")
        )
    if faults:
        raise InvalidInput.of(*faults)
