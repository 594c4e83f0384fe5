"""From a body's words to scenarios: what is supposed, in the engine's records, or what is wrong.

A worker reads them so, and so does every monitor that is asked for its part of the book.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np

from service.contract.decoding import pointer_to
from service.contract.names import Venue
from service.contract.simulate import (
    ActionDocument,
    CascadeDocument,
    DepthLevel,
    DepthSides,
    GridDocument,
    ImpactDocument,
    PolicyDocument,
    ScenarioDocument,
    SlippageDocument,
    StepDocument,
)
from service.errors import Fault, InvalidInput
from service.risk.policy import POLICIES, PolicyColumns, policy_columns
from service.risk.simulate.scenario import Cascade, Depth, Impact, Scenario, Shock, Slippage

ALL = "*"  # in a grid's moves: all contracts


class Supposing(Protocol):
    """A request that supposes something."""

    @property
    def scenarios(self) -> list[ScenarioDocument] | None: ...

    @property
    def grid(self) -> GridDocument | None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One scenario of the body, or of its grid."""

    pointer: str  # "" for the grid's: its own are looked at once
    name: str | None
    scenario: Scenario
    actions: tuple[ActionDocument, ...] = ()
    moves: dict[str, float] | None = None  # of the grid


def scenarios_of(asked: Supposing) -> list[Asked]:
    """Return the scenarios in the order of the answer; raises InvalidInput."""
    if not asked.scenarios and asked.grid is None:
        raise InvalidInput.of(
            Fault("/scenarios", "missing_field", "a scenario or a grid is needed")
        )
    listed = [
        _listed(document, f"/scenarios/{index}")
        for index, document in enumerate(asked.scenarios or ())
    ]
    return listed + ([] if asked.grid is None else list(_of_grid(asked.grid)))


def count_of(asked: Supposing) -> tuple[int, int]:
    """Return how many scenarios there are, and how many steps they have together."""
    listed = asked.scenarios or ()
    steps = sum(len(each.shocks.path or (1,)) if each.shocks else 1 for each in listed)
    grid = 0 if asked.grid is None else math.prod(len(axis.pct) for axis in asked.grid.axes)
    return len(listed) + grid, steps + grid


def _listed(document: ScenarioDocument, pointer: str) -> Asked:
    shocks = document.shocks
    steps: list[StepDocument] = [StepDocument()] if shocks is None else [shocks]
    if shocks is not None and shocks.path is not None:
        if shocks.all_pct is not None or shocks.pct or shocks.marks:
            where = f"{pointer}/shocks/path"
            raise InvalidInput.of(Fault(where, "ambiguous", "a path has no prices beside it"))
        steps = shocks.path
    scenario = _supposed(tuple(map(_shock, steps)), document.slippage, document.cascade, pointer)
    return Asked(pointer, document.name, scenario, tuple(document.actions or ()))


def _of_grid(grid: GridDocument) -> Iterator[Asked]:
    names = [axis.symbol or ALL for axis in grid.axes]
    if len(set(names)) < len(names):
        detail = "the axes must be of two symbols, or of a symbol and all"
        raise InvalidInput.of(Fault("/grid/axes/1/symbol", "ambiguous", detail))
    plain = _supposed((), grid.slippage, grid.cascade, "/grid")
    for pair in product(*(axis.pct for axis in grid.axes)):
        moves = dict(zip(names, pair, strict=True))
        named = {symbol: pct for symbol, pct in moves.items() if symbol != ALL}
        step = Shock(moves.get(ALL, 0.0), named)
        yield Asked("", None, replace(plain, steps=(step,)), moves=moves)


def _shock(step: StepDocument) -> Shock:
    return Shock(step.all_pct or 0.0, step.pct or {}, step.marks or {})


def _supposed(
    steps: tuple[Shock, ...],
    slippage: SlippageDocument | None,
    cascade: CascadeDocument | None,
    pointer: str,
) -> Scenario:
    fills = Slippage()
    if slippage is not None:
        fills = _slippage(slippage, f"{pointer}/slippage")
    if cascade is None:
        return Scenario(steps, fills)
    return Scenario(steps, fills, Cascade({}, _impact(cascade.impact), cascade.rounds_max))


def _slippage(document: SlippageDocument, pointer: str) -> Slippage:
    bids: dict[str, Depth] = {}
    asks: dict[str, Depth] = {}
    for symbol, given in (document.depth or {}).items():
        where = pointer_to(*pointer[1:].split("/"), "depth", symbol)
        if isinstance(given, DepthSides):
            bids[symbol] = _depth(given.bids, f"{where}/bids")
            asks[symbol] = _depth(given.asks, f"{where}/asks")
        else:
            bids[symbol] = asks[symbol] = _depth(given, where)
    return Slippage(bids, asks, {}, _impact(document.impact))


def _impact(document: ImpactDocument | None) -> Impact | None:
    return None if document is None else Impact(document.coefficient, document.daily_volume)


def _depth(levels: list[DepthLevel], pointer: str) -> Depth:
    pct = np.array([level.pct for level in levels])
    notional = np.array([level.notional for level in levels])
    for column, name in ((pct, "pct"), (notional, "notional")):
        falls = np.flatnonzero(np.diff(column) <= 0.0)
        if len(falls):
            where = f"{pointer}/{int(falls[0]) + 1}/{name}"
            raise InvalidInput.of(Fault(where, "out_of_order", "each level lies beyond the last"))
    return Depth(pct, notional)


def policies_of(documents: Mapping[Venue, PolicyDocument]) -> PolicyColumns:
    """Return every venue's policy with what the body says in place."""
    changed = {
        venue: replace(
            POLICIES[venue],
            **{
                name: getattr(document, name)
                for name in document.__struct_fields__
                if getattr(document, name) is not None
            },
        )
        for venue, document in documents.items()
    }
    return policy_columns(POLICIES | changed)
