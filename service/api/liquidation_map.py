"""`POST /v1/simulate` with a `map`: what moves of the marks would do to all monitored accounts.

The monitors have the books; here the parts of their shards are added up, see `book_parts`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from fastapi import Request, Response

from service.access.door import Caller
from service.api.book_parts import BookParts, reply
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.map_sums import MapSums, moves_of
from service.contract.decoding import decode
from service.contract.liquidation_map import (
    MapAnswer,
    MapProgress,
    MapRequest,
    check_map,
    map_decoder,
)
from service.contract.map_parts import (
    MAP,
    FundLimit,
    MapQuestion,
    decode_map_reply,
)
from service.contract.names import VENUES
from service.contract.simulate import SupposedFund
from service.errors import Fault, InvalidInput, MissingScope, StoreUnavailable

_Step: TypeAlias = MapProgress | MapAnswer


@dataclass(slots=True)
class LiquidationMaps:
    """The maps of one worker."""

    entrance: Entrance
    parts: BookParts
    follower: MarketFollower

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
        self.parts.check()
        tenant = None if asked.tenants == "all" else caller.tenant
        return await reply(request, self._steps(asked, tenant))

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
        sums = MapSums(asked.map.points)
        adding = self.parts.add_up(MAP, partial(_question, asked, tenant), decode_map_reply, sums)
        async with aclosing(adding) as steps:
            async for step in steps:
                yield step
        yield await asyncio.to_thread(sums.answer, asked.map, asked.funds or ())


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
        limits=limits_of(asked.funds or ()),
        lasts_s=left_s,
    )


def limits_of(funds: Sequence[SupposedFund]) -> list[FundLimit]:
    """Return what funds pay a pool at most, those that have a limit."""
    return [
        FundLimit(fund.venue, fund.asset, fund.event_limit)
        for fund in funds
        if fund.event_limit is not None
    ]
