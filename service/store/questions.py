"""Questions about the whole book: an API worker asks, every monitor answers for the shards it owns.

A worker holds no book, so "who is worst?" goes out over a stream that every monitor reads; each
answers once, into a list of that question.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import MonitorUnavailable
from service.store import keys
from service.store.client import Client, at_most

QUESTIONS_KEPT = 1_000
ANSWERS_LIVE_MS = 30_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `question_id` names where the answer goes."""

    question_id: str
    kind: str
    payload: bytes


class Questions:
    """Both ends: `ask` for a worker, `next_questions` and `answer` for a monitor."""

    def __init__(self, client: Client, blocking: Client, shards: int) -> None:
        self._client = client
        self._blocking = blocking
        self._shards = frozenset(range(shards))
        self._after = b"0-0"

    async def ask(self, kind: str, payload: bytes, timeout_s: float) -> list[bytes]:
        """Return the answers that cover every shard; `MonitorUnavailable` when some are late."""
        question_id = secrets.token_hex(8)
        timeout_ms = int(timeout_s * 1_000)
        kept = ("MAXLEN", "~", QUESTIONS_KEPT)
        fields = ("i", question_id, "k", kind, "d", payload, "x", timeout_ms)
        await self._client.call("XADD", keys.QUESTIONS, *kept, "*", *fields)
        missing, answers = set(self._shards), []
        try:
            async with asyncio.timeout(timeout_s):
                while missing:
                    shards, answer = await self._next_answer(question_id, timeout_s)
                    missing -= shards
                    answers.append(answer)
        except TimeoutError as error:
            raise MonitorUnavailable(f"no answer for {len(missing)} shards") from error
        return answers

    async def _next_answer(self, question_id: str, timeout_s: float) -> tuple[set[int], bytes]:
        popped = await self._blocking.call("BLPOP", keys.answer(question_id), timeout_s)
        if popped is None:
            raise TimeoutError
        shards, _, answer = popped[1].partition(b" ")
        return {int(shard) for shard in shards.split(b",")}, answer

    async def next_questions(self, block_ms: int, count: int = 100) -> list[Question]:
        """Wait up to `block_ms` for new questions; those whose asker has given up are left out."""
        wait = ("COUNT", count, "BLOCK", block_ms)
        async with at_most(block_ms / 1_000 + 5.0):
            answer = await self._blocking.call(
                "XREAD", *wait, "STREAMS", keys.QUESTIONS, self._after
            )
        if not answer:
            return []
        rows = answer[0][1]
        now_ms = await self._client.time_ms(keys.QUESTIONS)
        self._after = rows[-1][0]
        return [_question(row) for row in rows if _expires_ms(row) > now_ms]

    async def answer(self, question: Question, shards: Sequence[int], payload: bytes) -> None:
        """Answer for the shards we own; a monitor without any has nothing to say."""
        if not shards:
            return
        covered = ",".join(str(shard) for shard in shards).encode()
        name = keys.answer(question.question_id)
        await self._client.batch(
            [("RPUSH", name, covered + b" " + payload), ("PEXPIRE", name, ANSWERS_LIVE_MS)],
            atomic=True,
        )


def _question(row: Any) -> Question:
    _, (_, question_id, _, kind, _, payload, _, _) = row
    return Question(question_id.decode(), kind.decode(), payload)


def _expires_ms(row: Any) -> int:
    identifier, fields = row
    return int(identifier.partition(b"-")[0]) + int(fields[7])
