"""The door: whose call this is, and whether it may do what it asks for.

Every route and every stream asks here first and goes on with the caller it is given: the tenant of
that caller is the only one it may touch. An unknown, a revoked and an expired key, a wrong secret
and no token at all get the same answer.

Records are read from the store and remembered. One is asked for again after a second, so a
revocation works within about that. While the store is away a key that was good when it was last
seen stays so for some minutes: what needs no store goes on. A key that was not seen before has to
wait for the store. Unknown ids are not remembered, so nobody can push good keys out.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol

from service.errors import MissingScope, StoreUnavailable, Unauthenticated
from service.store.api_keys import SCOPES, ApiKey, Scope, hash_of, parts_of
from service.store.keys import DEFAULT_TENANT

FRESH_S = 1.0
LOOK_UP_S = 1.0  # a store that takes longer counts as away
AWAY_S = 600.0  # a record that was good is believed for so long without the store
REMEMBERED_MAX = 10_000
_NO_SECRET = "0" * 64  # the hash of nothing


class Asking(Protocol):
    """A request or a socket, of which only the headers count."""

    @property
    def headers(self) -> Mapping[str, str]: ...


class KeyStore(Protocol):
    """Where the records are."""

    async def find(self, key_id: str) -> ApiKey | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the key's id ("" where none was needed), the tenant, what it may do.

    `rate_per_s` is how much it may ask for where that is not what every key may.
    """

    key_id: str
    tenant: str
    scopes: frozenset[str]
    rate_per_s: float | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller has a scope; `admin` has them all."""
        return scope in self.scopes or "admin" in self.scopes


ANYBODY = Caller("", DEFAULT_TENANT, frozenset(SCOPES))
BOOTSTRAP = Caller("bootstrap", DEFAULT_TENANT, frozenset(SCOPES))


@dataclass(slots=True)
class _Seen:
    """A record, when the store said so, until when nobody asks again."""

    record: ApiKey | None
    said_s: float
    ask_after_s: float
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Door:
    """One a worker; `bootstrap` is a token that is good without any record.

    Records expire by `time_s` (since the epoch) and grow old by `clock_s`.
    """

    def __init__(
        self,
        keys: KeyStore,
        *,
        in_force: bool,
        bootstrap: str | None = None,
        time_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_force = in_force
        self._keys = keys
        self._bootstrap = None if bootstrap is None else hash_of(bootstrap)
        self._time_s = time_s
        self._clock_s = clock_s
        self._seen: dict[str, _Seen] = {}

    async def admit(self, asking: Asking, *needed: Scope) -> Caller:
        """Return the caller if it has the scopes that are needed; none: any good key will do.

        Raises Unauthenticated, MissingScope, StoreUnavailable.
        """
        if not self.in_force:
            return ANYBODY
        caller = await self.caller_of(token_of(asking) or "")
        for scope in needed:
            if not caller.may(scope):
                raise MissingScope(f"this key lacks the scope {scope}")
        return caller

    async def caller_of(self, token: str) -> Caller:
        """Return whose token this is; raises Unauthenticated, StoreUnavailable."""
        if self._bootstrap is not None and compare_digest(self._bootstrap, hash_of(token)):
            return BOOTSTRAP
        parts = parts_of(token)
        if parts is None:
            raise Unauthenticated(Unauthenticated.DETAIL)
        key_id, secret = parts
        record = await self._record(key_id)
        expected = _NO_SECRET if record is None else record.secret_hash
        matches = compare_digest(expected, hash_of(secret))
        if record is None or not matches or not record.is_good(self._now_ms()):
            raise Unauthenticated(Unauthenticated.DETAIL)
        return Caller(key_id, record.tenant, frozenset(record.scopes), record.rate_per_s)

    async def still_good(self, caller: Caller) -> bool:
        """Whether a caller that was let in would be again; raises StoreUnavailable."""
        if caller in (ANYBODY, BOOTSTRAP):
            return True
        record = await self._record(caller.key_id)
        return record is not None and record.is_good(self._now_ms())

    async def _record(self, key_id: str) -> ApiKey | None:
        seen = self._seen.get(key_id)
        if seen is None:
            record = await self._found(key_id)
            if record is not None:
                self._remember(key_id, record)
            return record
        if self._clock_s() < seen.ask_after_s:
            return seen.record
        async with seen.asking:
            if self._clock_s() >= seen.ask_after_s:
                await self._ask_again(key_id, seen)
        return seen.record

    async def _ask_again(self, key_id: str, seen: _Seen) -> None:
        """Bring a record up to date, or put up with it while the store is away."""
        try:
            record = await self._found(key_id)
        except StoreUnavailable:
            if self._clock_s() - seen.said_s > AWAY_S:
                raise
            seen.ask_after_s = self._clock_s() + FRESH_S
            return
        if record is None:
            self._seen.pop(key_id, None)
        now_s = self._clock_s()
        seen.record, seen.said_s, seen.ask_after_s = record, now_s, now_s + FRESH_S

    async def _found(self, key_id: str) -> ApiKey | None:
        try:
            async with asyncio.timeout(LOOK_UP_S):
                return await self._keys.find(key_id)
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer in time") from error

    def _remember(self, key_id: str, record: ApiKey) -> None:
        if len(self._seen) >= REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]  # the one that was seen first
        now_s = self._clock_s()
        self._seen[key_id] = _Seen(record, now_s, now_s + FRESH_S)

    def _now_ms(self) -> int:
        return int(self._time_s() * 1_000.0)


def token_of(asking: Asking) -> str | None:
    """Return the token of `Authorization: Bearer <token>`, None where there is no such header."""
    scheme, _, token = asking.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
