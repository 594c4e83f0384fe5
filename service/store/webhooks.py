"""Webhooks as they are stored: who is called, with which secret, and how far each has got.

The API writes records and secrets, the one process that delivers writes progress: each step of it
names the progress it follows, so a step sent again is recognised, and one that comes too late (the
lease went to somebody else, the webhook was deleted) does nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.errors import UnknownWebhook
from service.store import keys
from service.store.client import Client
from service.store.commands import load_script

Step = Literal["done", "repeated", "lease_lost", "out_of_step"]

LETTERS_KEPT = 100  # of one webhook


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """What is stored of one webhook: its JSON, its progress (JSON) and how many dead letters."""

    doc: bytes
    progress: bytes
    letters: int


@dataclass(frozen=True, slots=True)
class Target:
    """What delivering needs of one webhook, as it was at one moment."""

    doc: bytes
    secrets: bytes
    progress: bytes


class Webhooks:
    """All webhooks of all tenants, by webhook key."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._acquire = load_script("acquire_shard")
        self._renew = load_script("renew_shard")
        self._advance = load_script("advance_webhook")
        self._replay = load_script("replay_letters")
        self._settle = load_script("settle_letter")
        self._rotate = load_script("rotate_secret")

    async def put(self, key: str, doc: bytes, secret: str, progress: bytes) -> bool:
        """Store a webhook; return whether it is new: only then secret and progress are taken."""
        _, created, _ = await self._client.batch(
            [
                ("HSET", keys.WEBHOOKS, key, doc),
                ("HSETNX", keys.WEBHOOK_SECRETS, key, secret),
                ("HSETNX", keys.WEBHOOK_PROGRESS, key, progress),
            ],
            atomic=True,
        )
        return bool(created)

    async def get(self, key: str) -> StoredWebhook:
        """Return a webhook; raises UnknownWebhook."""
        found = await self.get_many([key])
        if key not in found:
            raise UnknownWebhook("there is no webhook of this id")
        return found[key]

    async def get_many(self, webhook_keys: Sequence[str]) -> dict[str, StoredWebhook]:
        """Return those of the webhooks that are there."""
        commands = [
            command
            for key in webhook_keys
            for command in (
                ("HGET", keys.WEBHOOKS, key),
                ("HGET", keys.WEBHOOK_PROGRESS, key),
                ("LLEN", keys.dead_letters(key)),
            )
        ]
        answers = await self._client.batch(commands, atomic=True)
        found = zip(webhook_keys, answers[::3], answers[1::3], answers[2::3], strict=True)
        return {
            key: StoredWebhook(doc, progress, letters)
            for key, doc, progress, letters in found
            if doc is not None
        }

    async def keys_of(self, tenant: str) -> list[str]:
        """Return the keys of a tenant's webhooks, by name."""
        found = await self.all_keys()
        return sorted(key for key in found if keys.split_tenant_key(key)[0] == tenant)

    async def all_keys(self) -> list[str]:
        """Return the keys of all tenants' webhooks."""
        return [key.decode() for key in await self._client.call("HKEYS", keys.WEBHOOKS)]

    async def delete(self, key: str) -> None:
        """Remove a webhook with all that belongs to it; raises UnknownWebhook."""
        removed, *_ = await self._client.batch(
            [
                ("HDEL", keys.WEBHOOKS, key),
                ("HDEL", keys.WEBHOOK_SECRETS, key),
                ("HDEL", keys.WEBHOOK_PROGRESS, key),
                ("DEL", keys.dead_letters(key)),
                ("DEL", keys.letters_again(key)),
            ],
            atomic=True,
        )
        if not removed:
            raise UnknownWebhook("there is no webhook of this id")

    async def rotate(self, key: str, secret: str, good_until_ms: int) -> None:
        """Give a webhook a new secret; the one it has is good for a while. UnknownWebhook."""
        arguments = (key, secret, good_until_ms)
        if not await self._client.run(self._rotate, (keys.WEBHOOK_SECRETS,), arguments):
            raise UnknownWebhook("there is no webhook of this id")

    async def letters(self, key: str) -> list[bytes]:
        """Return a webhook's dead letters (JSON), oldest first."""
        found: list[bytes] = await self._client.call("LRANGE", keys.dead_letters(key), 0, -1)
        return found

    async def replay(self, key: str, beginning: bytes = b"") -> int:
        """Have those dead letters sent again whose JSON begins so; return how many."""
        names = (keys.dead_letters(key), keys.letters_again(key))
        return int(await self._client.run(self._replay, names, (beginning,)))

    async def acquire(self, lease_ms: int) -> int | None:
        """Become the one who delivers; return the token, None while somebody else is alive."""
        names = (keys.WEBHOOK_OWNER, keys.WEBHOOK_LEASE)
        answer = await self._client.run(self._acquire, names, (lease_ms,))
        return None if answer is None else int(answer[0])

    async def renew(self, token: int, lease_ms: int) -> bool:
        """Say that we are alive; False when the token is worth nothing. 0 ms gives it back."""
        names = (keys.WEBHOOK_OWNER, keys.WEBHOOK_LEASE)
        return bool(await self._client.run(self._renew, names, (token, lease_ms)))

    async def target(self, key: str) -> Target | None:
        """Return a webhook as delivering needs it; None when it is gone."""
        hashes = (keys.WEBHOOKS, keys.WEBHOOK_SECRETS, keys.WEBHOOK_PROGRESS)
        doc, secrets, progress = await self._client.batch(
            [("HGET", name, key) for name in hashes], atomic=True
        )
        return None if doc is None else Target(doc, secrets, progress)

    async def advance(
        self, token: int, key: str, before: bytes, after: bytes, letter: bytes = b""
    ) -> Step:
        """Replace progress, and lay aside a delivery that was given up; safe to send again."""
        names = (keys.WEBHOOK_OWNER, keys.WEBHOOK_PROGRESS, keys.dead_letters(key))
        arguments = (token, key, before, after, letter, LETTERS_KEPT)
        answer: bytes = await self._client.run(self._advance, names, arguments)
        step: Step = answer.decode()  # type: ignore[assignment]  # the script's own words
        return step

    async def again(self, webhook_keys: Sequence[str]) -> dict[str, bytes]:
        """Return of each webhook the first letter that is to be sent again."""
        found = await self._client.batch(
            [("LINDEX", keys.letters_again(key), 0) for key in webhook_keys]
        )
        return {key: letter for key, letter in zip(webhook_keys, found, strict=True) if letter}

    async def settle_letter(self, key: str, letter: bytes, still_dead: bytes | None) -> None:
        """Have done with a letter that was sent again; `still_dead` is what is left if in vain."""
        names = (keys.dead_letters(key), keys.letters_again(key))
        arguments = (letter, still_dead or b"", LETTERS_KEPT)
        await self._client.run(self._settle, names, arguments)
