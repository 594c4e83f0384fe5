"""What webhooks and targets have in common: their keys, where they begin, their dead letters."""

import secrets
import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from service.access.door import Caller
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.cursor import encode_cursor
from service.contract.webhooks import (
    Progress,
    Replayed,
    beginning_of,
    check_receiver_id,
    read_letter,
)
from service.errors import TooManyItems
from service.store.alert_log import AlertLog
from service.store.keys import tenant_key
from service.store.receivers import Receivers


def key_of(caller: Caller, receiver_id: str) -> str:
    """Return a receiver's key, which is in the caller's tenant."""
    return tenant_key(caller.tenant, check_receiver_id(receiver_id))


async def check_room(receivers: Receivers, tenant: str, key: str, most: int, noun: str) -> None:
    """Raise TooManyItems where a tenant would have more than `most`."""
    there = await receivers.keys_of(tenant)
    if key not in there and len(there) >= most:
        raise TooManyItems(f"more than {most} {noun}")


async def progress_from_now(log: AlertLog, settle: Callable[[], Awaitable[str]]) -> Progress:
    """Return how far somebody is who is told of what is logged from now on."""
    epoch = await settle()
    ends = [tail.offset for tail in await log.tails()]
    cursor = encode_cursor(epoch, ends)
    return Progress(secrets.token_hex(8), time.time_ns() // 1_000_000, cursor)


async def letters_of(receivers: Receivers, key: str) -> Response:
    """Answer with a receiver's dead letters; raises what an unknown one does."""
    await receivers.get(key)
    letters = [read_letter(letter) for letter in await receivers.letters(key)]
    return json_reply({"deadLetters": letters})


async def replay(receivers: Receivers, key: str, request: Request) -> Response:
    """Have dead letters sent again: the one that the query names, or all."""
    query = Query(request, "id")
    await receivers.get(key)
    letter_id = query.text("id")
    beginning = b"" if letter_id is None else beginning_of(letter_id)
    return json_reply(Replayed(await receivers.replay(key, beginning)))
