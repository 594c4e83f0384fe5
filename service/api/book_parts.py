"""What the monitors work out of a whole book, asked for by a worker and told of while it is made.

The monitors have the books; each answers for its shards, one after the other, and whoever asked
adds the parts up. A shard counts once, whoever answers for it, and all of them or there is no
answer. As NDJSON the answer says how far it is; as JSON it comes when it is whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import anyio
import msgspec
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from service.api.bodies import NDJSON
from service.api.problems import problem_of
from service.api.replies import json_reply
from service.contract.liquidation_map import MapProgress
from service.contract.map_parts import FORGET_MAP, MapRefused, encode_map
from service.errors import Overloaded, ServiceError, StoreUnavailable
from service.store.questions import PartLimits, Questions

ASKING_MAX = 2  # a worker; each holds a connection to the store that waits
SILENCE_S = 2.0  # after it the shards that are missing are asked for again
_FORGET_S = 1.0

_encoder = msgspec.json.Encoder()

Part = TypeVar("Part", bound=msgspec.Struct)
Part_contra = TypeVar("Part_contra", bound=msgspec.Struct, contravariant=True)


class Sums(Protocol[Part_contra]):
    """What the parts of the shards are added up in, and of how many accounts they were."""

    accounts: int

    def add(self, part: Part_contra, /) -> None: ...


@dataclass(slots=True)
class BookParts:
    """The maps and scenarios that one worker has made."""

    questions: Questions
    timeout_s: float
    asking: int = 0

    @property
    def total(self) -> int:
        return self.questions.shards

    def check(self) -> None:
        """Raise Overloaded where as many are being made as a worker has made."""
        if self.asking >= ASKING_MAX:
            raise Overloaded(f"{self.asking} maps or scenarios of books are being made already")

    async def add_up(
        self,
        kind: str,
        question_of: Callable[[str, list[int], float], msgspec.Struct],
        decode: Callable[[bytes], Part | MapRefused],
        sums: Sums[Part],
    ) -> AsyncGenerator[MapProgress, None]:
        """Add the part of each shard to `sums` as it comes, and yield how far that is.

        `question_of` as `ask_parts` has it. Who stops listening stops the monitors. Raises
        Overloaded where a monitor has too many to make, MonitorUnavailable, StoreUnavailable.
        """
        done = 0
        async with aclosing(self._parts(kind, question_of)) as parts:
            async for raw in parts:
                try:
                    part = decode(raw)
                except msgspec.DecodeError as error:
                    raise StoreUnavailable("a monitor of another version answered") from error
                if isinstance(part, MapRefused):
                    raise Overloaded("the monitors have other maps and scenarios to make")
                await asyncio.to_thread(sums.add, part)
                done += 1
                yield MapProgress(done, self.total, sums.accounts)

    async def _parts(
        self, kind: str, question_of: Callable[[str, list[int], float], msgspec.Struct]
    ) -> AsyncGenerator[bytes, None]:
        """Yield a part of each shard as it comes."""
        job, done = "", 0

        def payload_of(question_id: str, shards: list[int], left_s: float) -> bytes:
            nonlocal job
            job = question_id
            return encode_map(question_of(job, shards, left_s))

        limits = PartLimits(self.timeout_s, SILENCE_S)
        self.asking += 1
        try:
            async with aclosing(self.questions.ask_parts(kind, payload_of, limits)) as parts:
                async for _, raw in parts:
                    yield raw
                    done += 1
        finally:
            self.asking -= 1
            if done < self.total:
                await self._forget(job)

    async def _forget(self, job: str) -> None:
        """Let the monitors stop, also when we are being stopped."""
        with anyio.move_on_after(_FORGET_S, shield=True):
            try:
                await self.questions.tell(FORGET_MAP, job.encode())
            except StoreUnavailable:
                return  # they stop when nobody can be waiting any more


async def reply(request: Request, steps: AsyncIterator[msgspec.Struct]) -> Response:
    """Answer with the last of the steps, or with all of them by the line."""
    if NDJSON not in request.headers.get("accept", ""):
        return json_reply([step async for step in steps][-1])
    # What cannot be done at all is refused as any call is: the first step is waited for.
    first = await anext(steps)
    return StreamingResponse(_lines(first, steps), media_type=NDJSON)


async def _lines(
    first: msgspec.Struct, steps: AsyncIterator[msgspec.Struct]
) -> AsyncIterator[bytes]:
    """Yield the answer by the line; a failure on the way is its last line."""
    yield _line(first)
    try:
        async for step in steps:
            yield _line(step)
    except ServiceError as error:
        yield _encoder.encode({"problem": problem_of(error)}) + b"\n"


def _line(step: msgspec.Struct) -> bytes:
    name = "progress" if isinstance(step, MapProgress) else "result"
    return _encoder.encode({name: step}) + b"\n"
