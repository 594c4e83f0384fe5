"""From a body's words to scenarios: what is supposed, in the engine's records, or what is wrong."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from service.contract.decoding import pointer_to
from service.contract.names import Venue
from service.contract.simulate import (
    ActionDocument,
    CascadeDocument,
    DepositDocument,
    DepthLevel,
    FillDocument,
    GridDocument,
    ImpactDocument,
    LeverageDocument,
    MarginModeDocument,
    PolicyDocument,
    ScenarioDocument,
    ShocksDocument,
    SimulateRequest,
    SlippageDocument,
    StepDocument,
    SupposedFund,
    WithdrawalDocument,
)
from service.errors import Fault, InvalidInput
from service.risk.columns import Batch
from service.risk.fund import Funds
from service.risk.markets import MarketTable
from service.risk.policy import POLICIES, PolicyColumns, policy_columns
from service.risk.simulate.actions import Action, Fill, Leverage, MarginMode, Payment
from service.risk.simulate.scenario import Cascade, Depth, Impact, Scenario, Shock, Slippage

ALL = "*"  # in a grid's moves: all contracts


@dataclass(frozen=True, slots=True)
class Asked:
    """One scenario of the body, or of its grid."""

    pointer: str  # "" for the grid's: its own are looked at once
    name: str | None
    scenario: Scenario
    actions: tuple[ActionDocument, ...] = ()
    moves: dict[str, float] | None = None  # of the grid


def scenarios_of(asked: SimulateRequest) -> list[Asked]:
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


def count_of(asked: SimulateRequest) -> tuple[int, int]:
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
        sides = {
            symbol: _depth(levels, pointer_to(*pointer[1:].split("/"), "slippage", "depth", symbol))
            for symbol, levels in (slippage.depth or {}).items()
        }
        fills = Slippage(sides, sides, {}, _impact(slippage.impact))
    if cascade is None:
        return Scenario(steps, fills)
    return Scenario(steps, fills, Cascade({}, _impact(cascade.impact), cascade.rounds_max))


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


def action_of(document: ActionDocument) -> Action:
    """Return the engine's record of an action."""
    match document:
        case DepositDocument():
            return Payment(document.asset, document.amount)
        case WithdrawalDocument():
            return Payment(document.asset, -document.amount)
        case LeverageDocument():
            return Leverage(document.symbol, document.leverage)
        case MarginModeDocument():
            return MarginMode(document.symbol, document.margin_mode == "isolated")
        case FillDocument():
            signed = document.contracts if document.side == "buy" else -document.contracts
            return Fill(
                document.symbol,
                signed,
                document.price,
                document.position_side,
                document.leverage,
                document.margin_mode == "isolated",
            )


def symbol_faults(asked: SimulateRequest, is_seen: Callable[[str], bool]) -> list[Fault]:
    """Return a fault for each symbol that is shocked and moves nothing."""
    detail = "no venue of the body's accounts has a market or a price of this symbol"
    return [
        Fault(pointer_to(*where), "unknown_symbol", detail)
        for symbol, where in _shocked(asked)
        if not is_seen(symbol)
    ]


def _shocked(asked: SimulateRequest) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield every symbol that prices are supposed of, and where it stands."""
    for index, axis in enumerate(asked.grid.axes if asked.grid else ()):
        if axis.symbol is not None:
            yield axis.symbol, ("grid", "axes", index, "symbol")
    for index, document in enumerate(asked.scenarios or ()):
        shocks = document.shocks or ShocksDocument()
        steps: list[tuple[StepDocument, tuple[str | int, ...]]] = [(shocks, ())]
        steps += [(step, ("path", place)) for place, step in enumerate(shocks.path or ())]
        for step, where in steps:
            for name, symbols in (("pct", step.pct), ("marks", step.marks)):
                for symbol in symbols or ():
                    yield symbol, ("scenarios", index, "shocks", *where, name, symbol)


def funds_of(documents: Sequence[SupposedFund], batch: Batch, table: MarketTable) -> Funds:
    """Return the funds by asset; of those nobody listed it is not known what they hold.

    Raises InvalidInput for a fund that is listed twice.
    """
    funds = Funds.unlimited(len(batch.asset_price))
    listed: dict[tuple[str, str], SupposedFund] = {}
    for index, document in enumerate(documents):
        if listed.setdefault((document.venue, document.asset), document) is not document:
            detail = "this fund is listed more than once"
            raise InvalidInput.of(Fault(f"/funds/{index}", "duplicate_fund", detail))
    for asset in range(len(batch.asset_price)):
        each = listed.get(table.asset_key(asset))
        if each is not None:
            limit = each.event_limit
            funds.balance[asset] = each.balance
            funds.event_most[asset] = np.inf if limit is None else limit
    return funds


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
