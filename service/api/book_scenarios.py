"""`POST /v1/simulate` on however many monitored accounts: the monitors walk, sums settle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from fastapi import Request, Response

from service.access.door import Caller
from service.api.book_parts import BookParts, reply
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.liquidation_map import limits_of
from service.api.scenario_sums import ScenarioSums
from service.api.scenarios import symbol_faults
from service.contract.book_scenarios import BookAnswer, book_faults
from service.contract.decoding import check_count
from service.contract.liquidation_map import MapProgress
from service.contract.map_parts import encode_map
from service.contract.names import VENUES
from service.contract.scenario_parts import (
    SCENARIOS,
    ScenariosQuestion,
    decode_scenarios_reply,
)
from service.contract.simulate import MonitoredRequest, decode_monitored, fund_faults
from service.contract.supposed import count_of, scenarios_of
from service.errors import InvalidInput, StoreUnavailable

FAULTS_MAX = 10
NAMED_MAX = 10_000  # accounts, of all scenarios of a call together
QUESTION_MAX_BYTES = 131_072  # it stays in the store for a while

_Step: TypeAlias = MapProgress | BookAnswer


@dataclass(frozen=True, slots=True)
class BookScenarios:
    """The scenarios on books of one worker."""

    entrance: Entrance
    parts: BookParts
    follower: MarketFollower
    limits: Limits

    async def answer(self, request: Request, caller: Caller, body: bytes) -> Response:
        """Answer a body about what is monitored; the caller may read accounts.

        Raises InvalidInput, TooManyItems, Overloaded, MonitorUnavailable, StoreUnavailable.
        """
        asked = decode_monitored(body)
        steps = self._checked(asked)
        await self.entrance.charge(request, caller, steps)
        self.parts.check()
        return await reply(request, self._steps(asked, caller.tenant))

    def _checked(self, asked: MonitoredRequest) -> int:
        """Return how many steps are asked for; raises InvalidInput, TooManyItems."""
        if faults := book_faults(asked) + fund_faults(asked.funds or ()):
            raise InvalidInput.of(*faults[:FAULTS_MAX])
        scenarios, steps = count_of(asked)
        check_count(steps, self.limits.scenarios_max, "steps of scenarios (settled by sums)")
        check_count(scenarios * asked.worst, NAMED_MAX, "accounts to be named")
        scenarios_of(asked)
        size = len(encode_map(_question(asked, "", "", [], 0.0)))
        check_count(size, QUESTION_MAX_BYTES, "bytes of scenarios (settled by sums)")
        if faults := symbol_faults(asked, self._is_seen):
            if not self.follower.known:
                raise StoreUnavailable("the instruments are not known yet")
            raise InvalidInput.of(*faults[:FAULTS_MAX])
        return steps

    def _is_seen(self, symbol: str) -> bool:
        table = self.follower.table
        return any(
            table.find_instrument(venue, symbol) or table.find_report(venue, symbol)
            for venue in VENUES
        )

    async def _steps(self, asked: MonitoredRequest, tenant: str) -> AsyncIterator[_Step]:
        """Yield how far it is, after every shard, and last the answer."""
        sums = ScenarioSums(asked)
        question_of = partial(_question, asked, tenant)
        adding = self.parts.add_up(SCENARIOS, question_of, decode_scenarios_reply, sums)
        async with aclosing(adding) as steps:
            async for step in steps:
                yield step
        yield await asyncio.to_thread(sums.answer)


def _question(
    asked: MonitoredRequest, tenant: str, job: str, shards: list[int], left_s: float
) -> ScenariosQuestion:
    return ScenariosQuestion(
        job=job,
        shards=shards,
        tenant=tenant,
        scenarios=asked.scenarios,
        grid=asked.grid,
        policies=asked.policies or {},
        limits=limits_of(asked.funds or ()),
        worst=asked.worst,
        lasts_s=left_s,
    )
