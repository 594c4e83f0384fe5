"""Calls that carry a key of their client's, so that each is carried out once: claimed, then kept.

A record is `<fingerprint> <token>` while somebody carries the call out, and then
`<fingerprint>  <answer>`. A claim runs out after a minute, in case its owner has died: the call can
be made again then. A write that is given the claim is done only while it is there and puts the
answer in its place in the same step, so that whoever comes later cannot do it a second time.
"""

import secrets
from dataclasses import dataclass

from service.errors import CallInProgress, IdempotencyKeyReused
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script

CLAIM_MS = 60_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A call that is ours to carry out: its record, what that says, how long an answer is kept."""

    key: str
    fingerprint: bytes
    token: bytes
    kept_ms: int

    @property
    def record(self) -> bytes:
        """Return what the record says while the call is ours."""
        return b"%b %b" % (self.fingerprint, self.token)

    def outcome(self, answer: bytes) -> bytes:
        """Return what the record says once the call is answered."""
        return b"%b  %b" % (self.fingerprint, answer)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a call, to be stored by the write itself in place of the call's claim."""

    claim: Claim
    answer: bytes


class Claims:
    """All calls that carry a key; accounts' in the slot of their shard, so that writes can check.

    `kept_ms` is how long answers are kept.
    """

    def __init__(self, client: Client, shards: int, kept_ms: int) -> None:
        self._client = client
        self._shards = shards
        self._kept_ms = kept_ms
        self._claim = load_script("claim_call")
        self._settle = load_script("settle_call")

    async def claim(
        self, name: str, fingerprint: bytes, account_key: str | None = None
    ) -> Claim | bytes:
        """Claim a call, or return the answer that it had.

        `account_key` is given where the call is about one account. Raises IdempotencyKeyReused when
        the name was another call's, CallInProgress when somebody carries it out.
        """
        shard = None if account_key is None else keys.shard_of(account_key, self._shards)
        token = secrets.token_hex(8).encode()
        claim = Claim(keys.call(shard, name), fingerprint, token, self._kept_ms)
        there = await self._client.run(self._claim, (claim.key,), (claim.record, CLAIM_MS))
        if not there:
            return claim
        known, _, rest = there.partition(b" ")
        if known != fingerprint:
            raise IdempotencyKeyReused("this Idempotency-Key was another call's")
        if not rest.startswith(b" "):
            raise CallInProgress("a call with this Idempotency-Key is being carried out")
        return bytes(rest[1:])

    async def keep(self, claim: Claim, answer: bytes) -> None:
        """Store the answer of a call that was carried out, unless the write has done so."""
        await self._settled(claim, claim.outcome(answer))

    async def release(self, claim: Claim) -> None:
        """Let a call be made again: nothing of it was done."""
        await self._settled(claim, b"")

    async def _settled(self, claim: Claim, outcome: bytes) -> None:
        arguments = (claim.record, outcome, claim.kept_ms)
        await self._client.run(self._settle, (claim.key,), arguments)
