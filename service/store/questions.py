"""Questions about the whole book: an API worker asks, every monitor answers for the shards it owns.

A worker holds no book, so "who is worst?" goes out over a stream that every monitor reads; each
answers into a list of that question, once, or part by part where the work is long.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import MonitorUnavailable
from service.store import keys
from service.store.client import Client, at_most

QUESTIONS_KEPT = 1_000
ANSWERS_LIVE_MS = 30_000
TOLD_S = 30.0


@dataclass(frozen=True, slots=True)
class PartLimits:
    """How long all parts may take, and after what silence those missing are asked for again."""

    timeout_s: float
    silence_s: float


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

    @property
    def shards(self) -> int:
        return len(self._shards)

    async def ask(self, kind: str, payload: bytes, timeout_s: float) -> list[bytes]:
        """Return the answers that cover every shard; `MonitorUnavailable` when some are late."""
        question_id = secrets.token_hex(8)
        await self._put(question_id, kind, payload, timeout_s)
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

    async def ask_parts(
        self, kind: str, payload_of: Callable[[str, list[int], float], bytes], limits: PartLimits
    ) -> AsyncGenerator[tuple[int, bytes], None]:
        """Yield an answer for each shard as it comes, the first where there are several.

        `payload_of` is given the question's id, the shards that are asked for and the seconds that
        are left. When nothing comes for a while, the shards that are missing are asked for again:
        whoever had them may have died, or given them away. Raises MonitorUnavailable when some are
        missing at the end.
        """
        question_id, missing = secrets.token_hex(8), set(self._shards)
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + limits.timeout_s
        while missing and (left_s := ends_s - loop.time()) > 0.0:
            payload = payload_of(question_id, sorted(missing), left_s)
            await self._put(question_id, kind, payload, left_s)
            while missing and (left_s := ends_s - loop.time()) > 0.0:
                try:
                    wait_s = min(limits.silence_s, left_s)
                    shards, answer = await self._next_answer(question_id, wait_s)
                except TimeoutError:
                    break
                for shard in sorted(shards & missing):
                    missing.discard(shard)
                    yield shard, answer
        if missing:
            raise MonitorUnavailable(f"no answer for {len(missing)} shards")

    async def tell(self, kind: str, payload: bytes) -> None:
        """Say something that nobody answers to all monitors that listen now."""
        await self._put(secrets.token_hex(8), kind, payload, TOLD_S)

    async def _put(self, question_id: str, kind: str, payload: bytes, timeout_s: float) -> None:
        kept = ("MAXLEN", "~", QUESTIONS_KEPT)
        fields = ("i", question_id, "k", kind, "d", payload, "x", int(timeout_s * 1_000))
        await self._client.call("XADD", keys.QUESTIONS, *kept, "*", *fields)

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
