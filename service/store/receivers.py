"""Who is told of alerts, webhooks and targets: to whom, with which secret, how far each has got.

The API writes records and secrets, the one process that delivers writes progress: each step of it
names the progress it follows, so a step sent again is recognised, and one that comes too late (the
lease went to somebody else, the receiver was deleted) does nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.errors import ServiceError, UnknownTarget, UnknownWebhook
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script

Step = Literal["done", "repeated", "lease_lost", "out_of_step"]

LETTERS_KEPT = 100  # of one receiver


@dataclass(frozen=True, slots=True)
class StoredReceiver:
    """What is stored of one receiver: its JSON, its progress (JSON) and how many dead letters."""

    doc: bytes
    progress: bytes
    letters: int


@dataclass(frozen=True, slots=True)
class Addressee:
    """What delivering needs of one receiver, as it was at one moment."""

    doc: bytes
    secrets: bytes
    progress: bytes


class Receivers:
    """All receivers of one kind of all tenants, by receiver key."""

    def __init__(
        self, client: Client, names: keys.ReceiverKeys, unknown: Callable[[], ServiceError]
    ) -> None:
        self.names = names
        self._client = client
        self._unknown = unknown
        self._acquire = load_script("acquire_shard")
        self._renew = load_script("renew_shard")
        self._advance = load_script("advance_webhook")
        self._replay = load_script("replay_letters")
        self._settle = load_script("settle_letter")
        self._rotate = load_script("rotate_secret")

    async def put(
        self, key: str, doc: bytes, secret: str, progress: bytes, *, replace_secret: bool = False
    ) -> bool:
        """Store a receiver; return whether it is new: only then its progress is taken, and the
        secret unless it is to be replaced."""
        *_, created = await self._client.batch(
            [
                ("HSET", self.names.records, key, doc),
                ("HSET" if replace_secret else "HSETNX", self.names.secrets, key, secret),
                ("HSETNX", self.names.progress, key, progress),
            ],
            atomic=True,
        )
        return bool(created)

    async def get(self, key: str) -> StoredReceiver:
        """Return a receiver; raises UnknownWebhook or UnknownTarget."""
        found = await self.get_many([key])
        if key not in found:
            raise self._unknown()
        return found[key]

    async def get_many(self, receiver_keys: Sequence[str]) -> dict[str, StoredReceiver]:
        """Return those of the receivers that are there."""
        commands = [
            command
            for key in receiver_keys
            for command in (
                ("HGET", self.names.records, key),
                ("HGET", self.names.progress, key),
                ("LLEN", self.names.dead_letters(key)),
            )
        ]
        answers = await self._client.batch(commands, atomic=True)
        found = zip(receiver_keys, answers[::3], answers[1::3], answers[2::3], strict=True)
        return {
            key: StoredReceiver(doc, progress, letters)
            for key, doc, progress, letters in found
            if doc is not None
        }

    async def keys_of(self, tenant: str) -> list[str]:
        """Return the keys of a tenant's receivers, by name."""
        found = await self.all_keys()
        return sorted(key for key in found if keys.split_tenant_key(key)[0] == tenant)

    async def all_keys(self) -> list[str]:
        """Return the keys of all tenants' receivers."""
        return [key.decode() for key in await self._client.call("HKEYS", self.names.records)]

    async def delete(self, key: str) -> None:
        """Remove a receiver with all that belongs to it; raises UnknownWebhook or UnknownTarget."""
        removed, *_ = await self._client.batch(
            [
                ("HDEL", self.names.records, key),
                ("HDEL", self.names.secrets, key),
                ("HDEL", self.names.progress, key),
                ("DEL", self.names.dead_letters(key)),
                ("DEL", self.names.letters_again(key)),
            ],
            atomic=True,
        )
        if not removed:
            raise self._unknown()

    async def rotate(self, key: str, secret: str, good_until_ms: int) -> None:
        """Give a receiver a new secret; the one it has is good for a while. UnknownWebhook."""
        arguments = (key, secret, good_until_ms)
        if not await self._client.run(self._rotate, (self.names.secrets,), arguments):
            raise self._unknown()

    async def letters(self, key: str) -> list[bytes]:
        """Return a receiver's dead letters (JSON), oldest first."""
        found: list[bytes] = await self._client.call("LRANGE", self.names.dead_letters(key), 0, -1)
        return found

    async def replay(self, key: str, beginning: bytes = b"") -> int:
        """Have those dead letters sent again whose JSON begins so; return how many."""
        names = (self.names.dead_letters(key), self.names.letters_again(key))
        return int(await self._client.run(self._replay, names, (beginning,)))

    async def send(self, key: str, letter: bytes) -> None:
        """Have a letter (JSON) sent as if it were a dead one that is sent again."""
        again = self.names.letters_again(key)
        commands = [("RPUSH", again, letter), ("LTRIM", again, -LETTERS_KEPT, -1)]
        await self._client.batch(commands, atomic=True)

    async def acquire(self, lease_ms: int) -> int | None:
        """Become the one who delivers; return the token, None while somebody else is alive."""
        names = (self.names.owner, self.names.lease)
        answer = await self._client.run(self._acquire, names, (lease_ms,))
        return None if answer is None else int(answer[0])

    async def renew(self, token: int, lease_ms: int) -> bool:
        """Say that we are alive; False when the token is worth nothing. 0 ms gives it back."""
        names = (self.names.owner, self.names.lease)
        return bool(await self._client.run(self._renew, names, (token, lease_ms)))

    async def addressee(self, key: str) -> Addressee | None:
        """Return a receiver as delivering needs it; None when it is gone."""
        hashes = (self.names.records, self.names.secrets, self.names.progress)
        doc, secrets, progress = await self._client.batch(
            [("HGET", name, key) for name in hashes], atomic=True
        )
        return None if doc is None else Addressee(doc, secrets, progress)

    async def advance(
        self, token: int, key: str, before: bytes, after: bytes, letter: bytes = b""
    ) -> Step:
        """Replace progress, and lay aside a delivery that was given up; safe to send again."""
        names = (self.names.owner, self.names.progress, self.names.dead_letters(key))
        arguments = (token, key, before, after, letter, LETTERS_KEPT)
        answer: bytes = await self._client.run(self._advance, names, arguments)
        step: Step = answer.decode()  # type: ignore[assignment]  # the script's own words
        return step

    async def again(self, receiver_keys: Sequence[str]) -> dict[str, bytes]:
        """Return of each receiver the first letter that is to be sent again."""
        found = await self._client.batch(
            [("LINDEX", self.names.letters_again(key), 0) for key in receiver_keys]
        )
        return {key: letter for key, letter in zip(receiver_keys, found, strict=True) if letter}

    async def settle_letter(self, key: str, letter: bytes, still_dead: bytes | None) -> None:
        """Have done with a letter that was sent again; `still_dead` is what is left if in vain."""
        names = (self.names.dead_letters(key), self.names.letters_again(key))
        arguments = (letter, still_dead or b"", LETTERS_KEPT)
        await self._client.run(self._settle, names, arguments)


class Webhooks(Receivers):
    """All webhooks; the secret is what calls are signed with."""

    def __init__(self, client: Client) -> None:
        super().__init__(
            client, keys.HOOKS, lambda: UnknownWebhook("there is no webhook of this id")
        )


class Targets(Receivers):
    """All targets; the secret is the URL, which has passwords and tokens in it."""

    def __init__(self, client: Client) -> None:
        super().__init__(
            client, keys.TARGETS, lambda: UnknownTarget("there is no target of this id")
        )
