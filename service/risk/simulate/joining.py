"""Losses of several parts as if they were one book's: numbers become names and numbers again."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from service.risk.adl import Standing
from service.risk.columns import Ints
from service.risk.losses import Losses, LostLegs
from service.risk.reports import Key
from service.risk.waterfall import Shared

_Columns = TypeVar("_Columns", LostLegs, Standing)


@dataclass(slots=True)
class Told:
    """What a part says at one step; `markets` and `assets` name its numbers (venue, name)."""

    markets: list[Key]
    assets: list[Key]
    losses: Losses
    standing: Standing


@dataclass(slots=True)
class Joined:
    """All parts as one; a part's rows stand together, from its place in `starts` on."""

    told: Told
    starts: list[tuple[int, int, int]]  # by part: rows of losses, lost legs and standing; the end


def join(parts: Sequence[Told]) -> Joined:
    """Return the parts one after the other, with numbers of their own."""
    markets = _numbers([part.markets for part in parts])
    assets = _numbers([part.assets for part in parts])
    losses, legs, standings = [], [], []
    starts = [(0, 0, 0)]
    for part in parts:
        pools, lost, stand = starts[-1]
        market = _renumbering(part.markets, markets)
        theirs = part.losses.legs
        losses.append(
            replace(part.losses, settle=_renumbering(part.assets, assets)[part.losses.settle])
        )
        legs.append(replace(theirs, pool=theirs.pool + pools, market=market[theirs.market]))
        standings.append(replace(part.standing, market=market[part.standing.market]))
        sizes = (len(part.losses.rule), len(theirs.pool), len(part.standing.market))
        starts.append((pools + sizes[0], lost + sizes[1], stand + sizes[2]))
    columns = {
        each.name: np.concatenate([getattr(loss, each.name) for loss in losses])
        for each in fields(Losses)
        if each.name != "legs"
    }
    whole = Losses(**columns, legs=_joined(legs))
    return Joined(Told(list(markets), list(assets), whole, _joined(standings)), starts)


def share_of(shared: Shared, joined: Joined, part: int) -> Shared:
    """Return what of the outcome is one part's; balances of funds are by the joint numbers."""
    (pools, legs, stand), (pools_end, legs_end, stand_end) = joined.starts[part : part + 2]
    of_pools, of_legs = slice(pools, pools_end), slice(legs, legs_end)
    of_standing = slice(stand, stand_end)
    order = shared.order[(shared.order >= pools) & (shared.order < pools_end)] - pools
    ways = {"handed_over": of_legs} | dict.fromkeys(
        ("reduced", "deleveraging_cost", "socialised_cost"), of_standing
    )
    columns = {
        each.name: getattr(shared, each.name)[ways.get(each.name, of_pools)]
        for each in fields(Shared)
        if each.name not in ("order", "fund_balance")
    }
    return Shared(order=order, fund_balance=shared.fund_balance, **columns)


def _joined(pieces: Sequence[_Columns]) -> _Columns:
    kind = type(pieces[0])
    return kind(
        *(np.concatenate([getattr(piece, each.name) for piece in pieces]) for each in fields(kind))
    )


def _numbers(names: Sequence[Sequence[Key]]) -> dict[Key, int]:
    known: dict[Key, int] = {}
    for part in names:
        for name in part:
            known.setdefault(name, len(known))
    return known


def _renumbering(names: Sequence[Key], numbers: dict[Key, int]) -> Ints:
    return np.array([numbers[name] for name in names], dtype=np.int64)
