"""`GET /v1/markets`: every market with marks, in what condition it is, as this worker knows it.

All of it follows from the market stream (`api/moves.py`, `risk/conditions.py`), so that workers
differ by the entry they are at, nothing else.
"""

from collections.abc import Callable, Iterator
from math import isnan, nan
from typing import cast

import numpy as np
from fastapi import APIRouter, Request, Response

from service.api.documents import answer, operation, query_parameter
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.market_columns import is_old
from service.api.market_example import MARKETS_EXAMPLE
from service.api.moves import MarketMoves
from service.api.queries import MARKET_PARAMETERS, Query
from service.api.replies import json_reply
from service.contract.markets import (
    CONDITION_NAMES,
    BandsView,
    MarketActivity,
    MarketDay,
    MarketDivergence,
    MarketFunding,
    MarketRange,
    MarketsView,
    MarketView,
    MarketVolatility,
    OutsideBand,
    Reason,
)
from service.contract.marks import decode_mark
from service.contract.names import VENUES
from service.contract.quality import QUALITY_NAMES
from service.errors import InvalidInput, StoreUnavailable
from service.risk.conditions import Bands, Condition, MarketTrack
from service.risk.model import Mark
from service.risk.reports import Key
from service.risk.venues import RULES
from service.risk.volatility import KNOWN, REASONS
from service.store.market_stream import NewestMark

_HOURS_A_YEAR = 365.0 * 24.0


def build_markets_router(
    entrance: Entrance, follower: MarketFollower, moves: MarketMoves
) -> APIRouter:
    """Build the route that shows the markets."""
    router = APIRouter(prefix="/v1", tags=["markets"])

    @router.get("/markets", response_class=Response, openapi_extra=_SHOW)
    async def show_markets(request: Request) -> Response:
        await entrance.admit(request)
        wanted = _wanted(request)
        if not follower.known:
            raise StoreUnavailable("the markets are not known yet")
        now_ms = follower.clock_ms()
        found = [mark for _, mark in sorted(follower.newest.items())]
        views = [view for view in market_views(found, moves, now_ms) if wanted(view)]
        bands = moves.bands
        shown = BandsView(bands.volatility, bands.divergence, bands.hysteresis)
        return json_reply(MarketsView(now_ms, shown, views))

    return router


def _wanted(request: Request) -> Callable[[MarketView], bool]:
    """Return which markets a request is for; raises InvalidInput."""
    query = Query(request, "venue", "symbol", "quality", "condition")
    venue, symbol = query.one_of("venue", VENUES), query.text("symbol")
    quality = query.one_of("quality", QUALITY_NAMES)
    condition = query.one_of("condition", CONDITION_NAMES)

    def wanted(view: MarketView) -> bool:
        return (
            venue in (None, view.venue)
            and symbol in (None, view.symbol)
            and quality in (None, view.quality)
            and (condition is None or condition in {each.condition for each in view.outside})
        )

    return wanted


def market_views(marks: list[NewestMark], moves: MarketMoves, now_ms: int) -> Iterator[MarketView]:
    """Yield the condition of some markets, in this order."""
    keys: list[Key] = [(mark.venue, mark.symbol) for mark in marks]
    own = [moves.track(key) for key in keys]  # before `look`: both as of the same entry
    found = moves.look(keys, now_ms, {})
    ewma = moves.ewma_annual(keys)
    rows = zip(
        np.where(found.volatility.state == KNOWN, ewma, nan).tolist(),
        found.volatility.annual.tolist(),
        found.samples,
        [cast("Reason", REASONS[state] or None) for state in found.volatility.state.tolist()],
        strict=True,
    )
    for newest, track, row in zip(marks, own, rows, strict=True):
        yield _view(newest, track or MarketTrack(), MarketVolatility(*row), moves.bands, now_ms)


def _view(
    newest: NewestMark, track: MarketTrack, volatility: MarketVolatility, bands: Bands, now_ms: int
) -> MarketView:
    mark = decode_mark(newest.payload)
    return MarketView(
        venue=newest.venue,
        symbol=newest.symbol,
        mark_price=mark.mark_price,
        index_price=mark.index_price,
        last_price=mark.last_price,
        market_id=newest.market_id,
        event_time=newest.event_time_ms,
        age_ms=max(0, now_ms - newest.event_time_ms),
        quality=QUALITY_NAMES[newest.verdict.quality],
        volatility=volatility,
        range=_range(track, now_ms),
        day=_day(track, now_ms),
        divergence=_divergence(track, now_ms),
        funding=_funding(mark),
        activity=_activity(mark),
        outside=[
            OutsideBand(CONDITION_NAMES[condition], bands.limit(condition), since_ms)
            for condition in Condition
            if (since_ms := track.since_ms(condition))
        ],
    )


def _range(track: MarketTrack, now_ms: int) -> MarketRange:
    annual, reason = track.range_annual(), _missing(track.time_ms, now_ms)
    if reason is None and isnan(annual):
        reason = "warming_up"
    return MarketRange(nan if reason else annual, track.ranges, reason)


def _day(track: MarketTrack, now_ms: int) -> MarketDay:
    high, low = track.extremes(now_ms)
    if isnan(high):
        return MarketDay(nan, nan, nan, nan, "stale_marks" if track.price else "no_mark")
    return MarketDay(high, low, 1.0 - track.price / high, track.price / low - 1.0, None)


def _divergence(track: MarketTrack, now_ms: int) -> MarketDivergence:
    reason = _missing(track.divergence_ms, now_ms)
    if reason is None:
        return MarketDivergence(track.divergence, None)
    return MarketDivergence(nan, "no_index" if reason == "no_mark" and track.price else reason)


def _missing(seen_ms: int, now_ms: int) -> Reason:
    """Return why what was seen at a time says nothing now; 0: nothing was."""
    if seen_ms == 0:
        return "no_mark"
    return "stale_marks" if is_old(seen_ms, now_ms) else None


def _funding(mark: Mark) -> MarketFunding:
    hours = mark.funding_interval_h or RULES[mark.venue].funding_hours
    annual = None if mark.funding_rate is None else mark.funding_rate * _HOURS_A_YEAR / hours
    return MarketFunding(mark.funding_rate, hours, annual)


def _activity(mark: Mark) -> MarketActivity:
    interest, volume = mark.open_interest, mark.day_volume
    is_whole = interest is not None and volume is not None
    return MarketActivity(interest, volume, None if is_whole else "not_given")


_SHOW = operation(
    "getMarkets",
    "Markets with their volatility, drawdown, divergence and funding",
    {200: answer("Every market asked for that has marks.", MarketsView, MARKETS_EXAMPLE)},
    parameters=(
        *MARKET_PARAMETERS,
        query_parameter(
            "quality", "Only those of this quality.", "stale", type="string", enum=[*QUALITY_NAMES]
        ),
        query_parameter(
            "condition",
            "Only those outside this band.",
            "volatile",
            type="string",
            enum=[*CONDITION_NAMES],
        ),
    ),
    errors=(InvalidInput, StoreUnavailable),
    access="key",
)
