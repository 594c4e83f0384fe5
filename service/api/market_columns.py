"""In what condition markets are now, as columns: what their tracks say, as long as that holds."""

from collections.abc import Sequence
from math import nan

import numpy as np

from service.api.moves import MarketMoves
from service.risk.conditions import MarketTrack
from service.risk.health.findings import MarketColumns
from service.risk.model import GENERIC_VENUE
from service.risk.reports import Key
from service.risk.volatility import VolatilityRule

_STALE_AFTER_MS = VolatilityRule().stale_after_ms


def is_old(seen_ms: int, now_ms: int) -> bool:
    """Whether what was seen at a time says nothing of now."""
    return now_ms - seen_ms > _STALE_AFTER_MS


def condition_of(moves: MarketMoves, markets: Sequence[Key], now_ms: int) -> MarketColumns:
    """Return the condition of markets by their own marks, or else generic's; NaN: not known."""
    keys = [key if moves.track(key) is not None else (GENERIC_VENUE, key[1]) for key in markets]
    tracks = [moves.track(key) or MarketTrack() for key in keys]
    ranges = np.array([track.range_annual() for track in tracks], np.float64)
    old = np.array([is_old(track.time_ms, now_ms) for track in tracks], np.bool_)
    annual = np.where(old, nan, np.fmax(moves.ewma_annual(keys), ranges))
    apart = [nan if is_old(track.divergence_ms, now_ms) else track.divergence for track in tracks]
    return MarketColumns(annual, np.array(apart, np.float64), moves.bands)
