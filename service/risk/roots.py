"""Compiled: the nearest t on each side of the mark where a pool's slack ends, through its tiers.

In t (see `groups`) the slack of a pool, equity less maintenance, is a line between corners: the t
where a leg enters another tier. Whole-position tables jump there. So we walk from the mark, t = 1,
from corner to corner. Where the slack is bad at the near side of a corner, the line that leads
there is solved; where it is bad at the far side alone, it jumps there and the corner is the answer.

Where no table jumps the slack is concave: its rates rise with the size. Then one look at the far
end says whether it ends at all, and steps of Newton from there lead to the line that is solved. So
it is done where that is clear; whatever is next to a border is walked.
"""

from typing import Any, NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats
from service.risk.compiled import called
from service.risk.legs import tier_of
from service.risk.rows import Records

_BESIDE = 1e-13  # relative: corners nearer to each other than that are one
# What is further from a border than this is clear: of the notionals, and of all other money.
_CLEARLY, _CLEARLY_OF_REST = 1e-6, 1e-12
_LEAPS_MAX = 8
_WALKED = 1  # legs: one is at its end sooner by its few corners


class Curve(NamedTuple):
    """The slack as start + slope (t - 1) - sum of weight x (tier(t) - tier(1)) over legs that bend.

    tier(t) is n x rate - deduction at n = notional x t + still in the tier where the walk is.
    """

    start: float
    slope: float
    least: float  # slack under this is bad: 0, or the smallest float where 0 itself is bad


class Tiers(NamedTuple):
    """The tier tables, each (tables, tiers); legs know their table and tier."""

    floor: Floats
    rate: Floats
    deduction: Floats
    continuous: Bools  # (tables,)


class Root(NamedTuple):
    """Where the slack ends; the legs are left in the tiers that hold there."""

    t: float  # NaN: nowhere
    slope: float  # of the slack there
    jump: bool  # t is a corner, and exact


@called
def tier_margin(tiers: Tiers, leg: Any, notional: float) -> float:
    """Return what the tier where the walk is asks of a notional."""
    rate, deduction = tiers.rate[leg.table, leg.tier], tiers.deduction[leg.table, leg.tier]
    return float(notional * rate - deduction)


@called
def root_below(legs: Records, tiers: Tiers, curve: Curve) -> Root:
    """Return the nearest root between the mark and t = 0."""
    clear = _clear(legs, tiers, curve)
    _place(legs, tiers, 0.0)
    slack = _slack(legs, tiers, curve, 0.0)
    if curve.start > clear and slack > clear:
        return Root(np.nan, 0.0, False)
    if slack < -clear and len(legs) > _WALKED and _leap(legs, tiers, curve, 0.0):
        corner, near = _corner_below(legs, tiers), min(_corner_above(legs, tiers), 1.0)
        slack = _slack(legs, tiers, curve, corner)
        if slack < -clear and _slack(legs, tiers, curve, near) > clear:
            return _solved(legs, tiers, curve, corner, slack)
    _start(legs)
    while True:
        corner = _corner_below(legs, tiers)
        slack = _slack(legs, tiers, curve, corner)
        if corner == 0.0 and not slack < 0.0:
            return Root(np.nan, 0.0, False)
        if corner == 0.0 or (corner < 1.0 and slack < curve.least):
            return _solved(legs, tiers, curve, corner, slack)
        _step_down(legs, tiers, corner)
        if _slack(legs, tiers, curve, corner) < curve.least:
            return Root(corner, 0.0, True)


@called
def root_above(legs: Records, tiers: Tiers, curve: Curve) -> Root:
    """Return the nearest root between the mark and infinity."""
    clear = _clear(legs, tiers, curve)
    _place(legs, tiers, np.inf)
    slope = _slope(legs, tiers, curve)
    if curve.start > clear and slope > clear:
        return Root(np.nan, 0.0, False)
    if slope < -clear and len(legs) > _WALKED and _leap(legs, tiers, curve, 1.0):
        corner, near = _corner_above(legs, tiers), max(_corner_below(legs, tiers), 1.0)
        slack = _slack(legs, tiers, curve, near)
        if slack > clear and corner == np.inf:
            return _solved(legs, tiers, curve, near, slack)
        if slack > clear and _slack(legs, tiers, curve, corner) < -clear:
            return _solved(legs, tiers, curve, corner, _slack(legs, tiers, curve, corner))
    _start(legs)
    last = 1.0
    while True:
        corner = _corner_above(legs, tiers)
        if corner == np.inf:
            root = _solved(legs, tiers, curve, last, _slack(legs, tiers, curve, last))
            return root if root.slope < 0.0 else Root(np.nan, 0.0, False)
        slack = _slack(legs, tiers, curve, corner)
        if slack < curve.least:
            return _solved(legs, tiers, curve, corner, slack)
        _step_up(legs, tiers, corner)
        if _slack(legs, tiers, curve, corner) < curve.least:
            return Root(corner, 0.0, True)
        last = corner


@called
def _clear(legs: Records, tiers: Tiers, curve: Curve) -> float:
    """Return what slack, or slope, is no rounding; infinity where the slack may jump."""
    whole = 0.0
    for index in range(len(legs)):
        leg = legs[index]
        whole += (leg.notional + leg.still) * leg.weight
        if leg.bends and not tiers.continuous[leg.table]:
            return np.inf
    return _CLEARLY * whole + _CLEARLY_OF_REST * (abs(curve.start) + abs(curve.slope))


@called
def _place(legs: Records, tiers: Tiers, t: float) -> bool:
    """Take every leg into its tier at t; whether that was another for any."""
    moved = False
    for index in range(len(legs)):
        leg = legs[index]
        if leg.bends:
            tier = tier_of(tiers.floor, leg.table, leg.notional * t + leg.still)
            while np.isinf(tiers.floor[leg.table, tier]):  # of padding
                tier -= 1
            moved |= tier != leg.tier
            leg.tier = tier
    return moved


@called
def _leap(legs: Records, tiers: Tiers, curve: Curve, t: float) -> bool:
    """Go to where a concave slack ends, from beyond; whether the legs are in the tiers there.

    The lines that a concave slack is made of all lie above it, so none leads past its end.
    """
    for _ in range(_LEAPS_MAX):
        t -= _slack(legs, tiers, curve, t) / _slope(legs, tiers, curve)
        if not 0.0 <= t < np.inf:
            return False
        if not _place(legs, tiers, t):
            return True
    return False


@called
def _slope(legs: Records, tiers: Tiers, curve: Curve) -> float:
    """Return the slope of the slack in the present tiers."""
    slope = curve.slope
    for index in range(len(legs)):
        leg = legs[index]
        if leg.bends:
            slope -= leg.weight * leg.notional * tiers.rate[leg.table, leg.tier]
    return slope


@called
def _slack(legs: Records, tiers: Tiers, curve: Curve, t: float) -> float:
    slack = curve.start + curve.slope * (t - 1.0)
    for index in range(len(legs)):
        leg = legs[index]
        if leg.bends:
            size = leg.notional * t + leg.still
            slack -= leg.weight * (tier_margin(tiers, leg, size) - leg.in_tier)
    return slack


@called
def _solved(legs: Records, tiers: Tiers, curve: Curve, anchor: float, slack: float) -> Root:
    """Return where the line through (anchor, slack) in the present tiers meets zero."""
    slope = _slope(legs, tiers, curve)
    t = anchor if slack == 0.0 else anchor - slack / slope
    return Root(t, slope, False)


@called
def _start(legs: Records) -> None:
    for index in range(len(legs)):
        legs[index].tier = legs[index].tier_at_mark


@called
def _floor_at(leg: Any, tiers: Tiers) -> float:
    """Return the t where the leg's tier begins; 0 where it has none below, under 0: none nearer."""
    if leg.bends and leg.tier > 0:
        return float((tiers.floor[leg.table, leg.tier] - leg.still) / leg.notional)
    return 0.0


@called
def _end_at(leg: Any, tiers: Tiers) -> float:
    """Return the t where the leg's tier ends; infinity where it has none above."""
    if leg.bends and leg.tier + 1 < tiers.floor.shape[1]:
        return float((tiers.floor[leg.table, leg.tier + 1] - leg.still) / leg.notional)
    return np.inf


@called
def _corner_below(legs: Records, tiers: Tiers) -> float:
    corner = 0.0
    for index in range(len(legs)):
        corner = max(corner, _floor_at(legs[index], tiers))
    return corner


@called
def _corner_above(legs: Records, tiers: Tiers) -> float:
    corner = np.inf
    for index in range(len(legs)):
        corner = min(corner, _end_at(legs[index], tiers))
    return corner


@called
def _step_down(legs: Records, tiers: Tiers, corner: float) -> None:
    """Take every leg whose tier begins at the corner into the tier below."""
    for index in range(len(legs)):
        leg = legs[index]
        while leg.tier > 0 and _floor_at(leg, tiers) >= corner * (1.0 - _BESIDE):
            leg.tier -= 1


@called
def _step_up(legs: Records, tiers: Tiers, corner: float) -> None:
    """Take every leg whose tier ends at the corner into the tier above."""
    for index in range(len(legs)):
        leg = legs[index]
        while _end_at(leg, tiers) <= corner * (1.0 + _BESIDE):
            leg.tier += 1
