"""`POST /v1/simulate` with a `map`: what moves of the marks would do to all monitored accounts.

The monitors have the books; each answers for its shards, one after the other, and here the parts
are added up. A shard counts once, whoever answers for it, and all of them or there is no answer.
As NDJSON the answer says how far it is; as JSON it comes when it is whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

import anyio
import msgspec
from fastapi import Request, Response
from starlette.responses import StreamingResponse

from service.access.door import Caller
from service.api.bodies import NDJSON
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.map_sums import MapSums, moves_of
from service.api.problems import problem_of
from service.api.replies import json_reply
from service.contract.decoding import decode
from service.contract.liquidation_map import (
    MapAnswer,
    MapLine,
    MapProgress,
    MapRequest,
    check_map,
    map_decoder,
)
from service.contract.map_parts import (
    FORGET_MAP,
    MAP,
    FundLimit,
    MapQuestion,
    MapRefused,
    MapReply,
    decode_map_reply,
    encode_map,
)
from service.contract.names import VENUES
from service.errors import (
    Fault,
    InvalidInput,
    MissingScope,
    Overloaded,
    ServiceError,
    StoreUnavailable,
)
from service.store.questions import PartLimits, Questions

MAPS_MAX = 2  # a worker; each holds a connection to the store that waits
SILENCE_S = 2.0  # after it the shards that are missing are asked for again
_FORGET_S = 1.0

_encoder = msgspec.json.Encoder()
_Step: TypeAlias = MapProgress | MapAnswer


@dataclass(slots=True)
class LiquidationMaps:
    """The maps of one worker."""

    entrance: Entrance
    questions: Questions
    follower: MarketFollower
    timeout_s: float
    making: int = 0

    async def answer(self, request: Request, caller: Caller, body: bytes) -> Response:
        """Answer a body with a `map`.

        Raises InvalidInput, MissingScope, Overloaded, MonitorUnavailable, StoreUnavailable.
        """
        asked = decode(body, map_decoder)
        check_map(asked)
        if not caller.may("accounts:read"):
            raise MissingScope("monitored accounts take the scope accounts:read")
        if asked.tenants == "all" and not caller.may("admin"):
            raise MissingScope("accounts of all tenants take the scope admin")
        self._check_symbol(asked)
        await self.entrance.charge(request, caller, asked.map.points)
        if self.making >= MAPS_MAX:
            raise Overloaded(f"{self.making} liquidation maps are being made already")
        steps = self._steps(asked, None if asked.tenants == "all" else caller.tenant)
        if NDJSON not in request.headers.get("accept", ""):
            return json_reply([step async for step in steps][-1])
        # What cannot be done at all is refused as any call is: the first step is waited for.
        first = await anext(steps)
        return StreamingResponse(_lines(first, steps), media_type=NDJSON)

    def _check_symbol(self, asked: MapRequest) -> None:
        symbol, venue = asked.map.symbol, asked.map.venue
        if symbol is None:
            return
        venues = VENUES if venue is None else (venue,)
        if any(self.follower.table.find_instrument(each, symbol) for each in venues):
            return
        if not self.follower.known:
            raise StoreUnavailable("the instruments are not known yet")
        detail = "no instrument of this symbol, or none at this venue"
        raise InvalidInput.of(Fault("/map/symbol", "unknown_symbol", detail))

    async def _steps(self, asked: MapRequest, tenant: str | None) -> AsyncIterator[_Step]:
        """Yield how far the map is, after every shard, and last the map."""
        sums, job, done = MapSums(asked.map.points), "", 0

        def payload_of(question_id: str, shards: list[int], left_s: float) -> bytes:
            nonlocal job
            job = question_id
            return encode_map(_question(asked, tenant, job, shards, left_s))

        limits = PartLimits(self.timeout_s, SILENCE_S)
        self.making += 1
        try:
            async with aclosing(self.questions.ask_parts(MAP, payload_of, limits)) as parts:
                async for _, raw in parts:
                    reply = _read(raw)
                    if isinstance(reply, MapRefused):
                        raise Overloaded("the monitors have other liquidation maps to make")
                    sums.add(reply)
                    done += 1
                    yield MapProgress(done, self.questions.shards, sums.accounts)
        finally:
            self.making -= 1
            if done < self.questions.shards:
                await self._forget(job)
        yield await asyncio.to_thread(sums.answer, asked.map, asked.funds or ())

    async def _forget(self, job: str) -> None:
        """Let the monitors stop, also when we are being stopped."""
        with anyio.move_on_after(_FORGET_S, shield=True):
            try:
                await self.questions.tell(FORGET_MAP, job.encode())
            except StoreUnavailable:
                return  # they stop when nobody can be waiting any more


def _question(
    asked: MapRequest, tenant: str | None, job: str, shards: list[int], left_s: float
) -> MapQuestion:
    return MapQuestion(
        job=job,
        shards=shards,
        tenant=tenant,
        symbol=asked.map.symbol,
        venue=asked.map.venue,
        factors=(1.0 + moves_of(asked.map) / 100.0).tolist(),
        limits=[
            FundLimit(fund.venue, fund.asset, fund.event_limit)
            for fund in asked.funds or ()
            if fund.event_limit is not None
        ],
        lasts_s=left_s,
    )


def _read(raw: bytes) -> MapReply:
    try:
        return decode_map_reply(raw)
    except msgspec.DecodeError as error:
        raise StoreUnavailable("a monitor of another version answered") from error


async def _lines(first: _Step, steps: AsyncIterator[_Step]) -> AsyncIterator[bytes]:
    """Yield the answer by the line; a failure on the way is its last line."""
    yield _line(first)
    try:
        async for step in steps:
            yield _line(step)
    except ServiceError as error:
        yield _encoder.encode(MapLine(problem=problem_of(error))) + b"\n"


def _line(step: _Step) -> bytes:
    if isinstance(step, MapAnswer):
        return _encoder.encode(MapLine(result=step)) + b"\n"
    return _encoder.encode(MapLine(progress=step)) + b"\n"
