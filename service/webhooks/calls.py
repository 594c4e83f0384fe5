"""How webhooks are told: up to a hundred alerts a call, signed with every secret that is good."""

import time
from typing import Protocol

from service.contract.selection import select
from service.contract.signing import good_secrets, headers_of
from service.contract.webhooks import read_webhook
from service.store.keys import split_tenant_key
from service.store.receivers import Addressee
from service.webhooks.batches import Batch, Size, payload
from service.webhooks.delivery import Wanted
from service.webhooks.sender import Outcome


class Post(Protocol):
    """Calls a receiver once."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Outcome: ...


class SignedCalls:
    """The road to webhooks."""

    size = Size()

    def __init__(self, post: Post) -> None:
        self._post = post

    def wanted(self, key: str, doc: bytes) -> Wanted:
        wanted = read_webhook(doc)
        tenant, _ = split_tenant_key(key)
        return Wanted(select(tenant, wanted.accounts, wanted.levels, wanted.silenced))

    def kept(self, alert: bytes) -> bytes:
        return alert

    def body(self, key: str, begun_at_ms: int, batch: Batch) -> bytes:
        return payload(split_tenant_key(key)[1], begun_at_ms, batch)

    async def send(self, _: str, to: Addressee, named: str, body: bytes) -> Outcome:
        now_s = int(time.time())
        secrets = good_secrets(to.secrets, now_s * 1_000)
        headers = headers_of(secrets, named, now_s, body)
        return await self._post.post(read_webhook(to.doc).url, headers, body)
