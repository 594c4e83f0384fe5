"""The nearest price on each side of the mark where a pool's slack ends, through tiers and jumps.

In t (see `groups`) the slack, equity less maintenance, is a line between corners: the t where a leg
enters another tier. Whole-position tables jump there. So: evaluate the slack on both sides of every
corner, take the nearest corner on each side of the mark where it is bad, and solve the line that
leads there.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Ints, TierTables
from service.risk.groups import Groups, Rest, by_group, own_slope, rest_slope
from service.risk.margin import Assessment
from service.risk.tiers import maintenance, rebate_rate, tier_at

_BESIDE = 1e-13  # relative: corners nearer to each other than that are one
_TOGETHER = 1_024  # groups solved at once: their temporaries stay in the cache


@dataclass(slots=True)
class Curve:
    """The slack as start + slope (t - 1) - sum of pull x (tiers(t) - tiers(1)) over the legs.

    `tiers(t)` is n * rate - deduction at n = notional x t + fixed; pull is 0 for legs without
    corners. The first three have a row a group, the others a row a sorted leg, or (groups, legs) of
    some groups.
    """

    start: Floats
    slope: Floats
    least: Floats  # slack under this is bad: 0, or the smallest float where 0 itself is bad
    pull: Floats
    notional: Floats
    fixed: Floats  # of a notional at the mark, what does not go with t; 0 for one symbol's legs
    table: Ints
    required: Floats  # tiers(1)

    def of(self, chosen: Ints, members: Ints) -> "Curve":
        """Return some groups with their legs side by side."""
        return Curve(
            start=self.start[chosen],
            slope=self.slope[chosen],
            least=self.least[chosen],
            pull=self.pull[members],
            notional=self.notional[members],
            fixed=self.fixed[members],
            table=self.table[members],
            required=self.required[members],
        )


@dataclass(slots=True)
class Edges:
    """Tier tables seen from their floors: (tables, tiers), inf where there is no border."""

    floor: Floats
    before: Floats  # maintenance at the floor by the tier below
    after: Floats  # and by its own
    row: Ints  # of each sorted leg in the three above


@dataclass(slots=True)
class Corners:
    """Where the slack bends or jumps (inf: nowhere) and whether it is bad on either side."""

    at: Floats  # (groups, corners)
    bad_left: Bools
    bad_right: Bools


@dataclass(slots=True)
class Line:
    """Through which point of which segment a root is sought, one row a group."""

    anchor: Floats
    side: Floats  # -1: the segment ends at the anchor, 1: it starts there
    jump: Bools  # the anchor itself is the answer
    found: Bools  # a bad corner bounds the segment


@dataclass(slots=True)
class Roots:
    """The nearest root in one direction; t is NaN where there is none."""

    t: Floats  # by group
    slope: Floats  # by group, of the segment that the root is in
    jump: Bools  # by group
    tier: Ints  # by sorted leg, in that segment


def slack_curve(
    batch: Batch, assessment: Assessment, groups: Groups, rest: Rest, beta: Floats | None = None
) -> Curve:
    """Describe the slack of every group around its mark; `least` is 0 until it is set.

    `beta`: how much of the groups' move each sorted leg makes, at least 0; None: all of it.
    """
    legs, terms, at = assessment.legs, assessment.terms, groups.legs
    table = np.maximum(batch.markets.table[batch.legs.market[at]], 0)
    on_entry, tier = terms.on_entry[at], legs.tier[at]
    bends = ~on_entry & ~batch.tables.by_contracts[table]
    # What grows with the notional without corners: the fee, and the tier of contracts held.
    rate = np.where(bends, 0.0, batch.tables.rate.reshape(-1)[tier]) + terms.fee_rate[at]
    rate -= rebate_rate(batch.tables, tier, batch.legs.contracts[at])
    rate = np.where(on_entry, 0.0, rate)
    worth = (legs.unrealised_pnl - legs.maintenance_margin)[at] * legs.settle_price[at]
    moving = legs.notional[at] if beta is None else legs.notional[at] * beta
    return Curve(
        start=by_group(groups, worth) + rest.still + rest.moving,
        slope=own_slope(assessment, groups, rate, beta) + rest_slope(groups, rest),
        least=np.zeros(len(groups.first)),
        pull=np.where(bends, legs.settle_price[at], 0.0),
        notional=moving,
        fixed=legs.notional[at] - moving,
        table=table,
        required=maintenance(batch.tables, tier, legs.notional[at]),
    )


def nearest_roots(tables: TierTables, groups: Groups, curve: Curve) -> tuple[Roots, Roots]:
    """Return the nearest roots towards t = 0 and towards infinity."""
    down, up, edges = _no_roots(groups), _no_roots(groups), _edges(tables, curve.table)
    for count in np.unique(groups.count).tolist():
        alike = np.flatnonzero(groups.count == count)
        for start in range(0, len(alike), _TOGETHER):
            chosen = alike[start : start + _TOGETHER]
            members = groups.first[chosen, None] + np.arange(count)
            part = curve.of(chosen, members)
            corners = _corners(tables, edges, part, edges.row[members])
            for roots, line in ((down, _line_down(corners)), (up, _line_up(corners))):
                t, slope, tier = _solve(tables, part, line, upwards=roots is up)
                roots.t[chosen], roots.slope[chosen], roots.jump[chosen] = t, slope, line.jump
                roots.tier[members] = tier
    return down, up


def _no_roots(groups: Groups) -> Roots:
    rows = len(groups.first)
    return Roots(
        t=np.full(rows, np.nan),
        slope=np.zeros(rows),
        jump=np.zeros(rows, dtype=np.bool_),
        tier=np.zeros(len(groups.legs), dtype=np.int64),
    )


def _edges(tables: TierTables, table: Ints) -> Edges:
    """Look at the tables in use from their floors; columns that all leave empty are dropped."""
    rows = np.arange(len(tables.floor))
    place = table
    if len(rows) > len(table):
        rows, place = np.unique(table, return_inverse=True)
    floor = tables.floor[rows]
    filled = np.isfinite(floor).any(axis=0)
    width = int(np.count_nonzero(filled)) or 1
    floor, rate = floor[:, :width], tables.rate[rows, :width]
    deduction = tables.deduction[rows, :width]
    before = np.zeros_like(floor)
    before[:, 1:] = rate[:, :-1] * floor[:, 1:] - deduction[:, :-1]
    return Edges(
        floor=np.where((floor > 0.0) & np.isfinite(floor), floor, np.inf),
        before=before,
        after=rate * floor - deduction,
        row=place,
    )


def _corners(tables: TierTables, edges: Edges, part: Curve, row: Ints) -> Corners:
    """Return the corners of every leg side by side, with the slack of all legs judged there."""
    found, least = [], part.least[:, None]
    for leg in range(part.pull.shape[1]):
        table, pull = row[:, leg], part.pull[:, leg, None]
        bending = np.where(pull > 0.0, part.notional[:, leg, None], 0.0)
        at = (edges.floor[table] - part.fixed[:, leg, None]) / bending
        line = (at - 1.0) * part.slope[:, None]
        line += part.start[:, None] + pull * part.required[:, leg, None]
        left, right = line - pull * edges.before[table], line - pull * edges.after[table]
        for other in range(part.pull.shape[1]):
            if other != leg:
                left -= _required_beside(tables, part, other, at, 1.0 - _BESIDE)
                right -= _required_beside(tables, part, other, at, 1.0 + _BESIDE)
        found.append((at, left < least, right < least))
    if len(found) == 1:
        return Corners(*found[0])
    return Corners(*(np.concatenate(columns, axis=1) for columns in zip(*found, strict=True)))


def _required_beside(tables: TierTables, part: Curve, leg: int, t: Floats, beside: float) -> Floats:
    """Return what a leg asks beside t; a size that t does not move stays where it is."""
    moving = part.notional[:, leg, None]
    size = (moving * t + part.fixed[:, leg, None]) * np.where(moving > 0.0, beside, 1.0)
    tier = tier_at(tables, part.table[:, leg, None], size)
    moved = maintenance(tables, tier, size) - part.required[:, leg, None]
    return part.pull[:, leg, None] * moved


def _line_down(corners: Corners) -> Line:
    """Find the bad corner nearest below t = 1; where none is bad, the line that starts at 0."""
    inside = corners.bad_right & (corners.at < 1.0)
    bad = (corners.at <= 1.0) & (corners.bad_left | inside)
    pick = np.where(bad, corners.at, -np.inf).argmax(axis=1)
    return _line(corners, bad, pick, crossed=inside, otherwise=np.zeros(len(pick)), inwards=1.0)


def _line_up(corners: Corners) -> Line:
    """Find the bad corner nearest above t = 1; where none is, the line after the last corner."""
    bad = (corners.at > 1.0) & (corners.bad_left | corners.bad_right) & np.isfinite(corners.at)
    pick = np.where(bad, corners.at, np.inf).argmin(axis=1)
    last = np.where(np.isfinite(corners.at), corners.at, 1.0).max(axis=1)
    last = np.maximum(last, 1.0)
    return _line(corners, bad, pick, crossed=corners.bad_left, otherwise=last, inwards=-1.0)


def _line(
    corners: Corners, bad: Bools, pick: Ints, *, crossed: Bools, otherwise: Floats, inwards: float
) -> Line:
    """Say where to solve: `crossed` corners end a falling line, the other bad ones are jumps."""
    row = np.arange(len(pick))
    found = bad[row, pick]
    return Line(
        anchor=np.where(found, corners.at[row, pick], otherwise),
        side=np.where(found, inwards, 1.0),
        jump=found & ~crossed[row, pick],
        found=found,
    )


def _solve(
    tables: TierTables, part: Curve, line: Line, upwards: bool
) -> tuple[Floats, Floats, Ints]:
    """Return t, the slope and the tiers of the segment; t is NaN where its line meets no zero."""
    size = part.notional * line.anchor[:, None] + part.fixed
    beside = np.where(part.notional > 0.0, (1.0 + line.side * _BESIDE)[:, None], 1.0)
    tier = tier_at(tables, part.table, size * beside)
    rate = tables.rate.reshape(-1)[tier]
    slope = part.slope - (part.pull * part.notional * rate).sum(axis=1)
    required = part.pull * (maintenance(tables, tier, size) - part.required)
    slack = part.start + part.slope * (line.anchor - 1.0) - required.sum(axis=1)
    t = line.anchor - np.where(slack == 0.0, 0.0, slack / slope)
    meets = slope < 0.0 if upwards else slack < 0.0
    t = np.where(line.jump, line.anchor, np.where(line.found | meets, t, np.nan))
    return t, slope, tier
