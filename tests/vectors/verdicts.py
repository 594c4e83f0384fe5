"""Every vector with its outcome: reproduced, an exception with its reason, or missed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.vectors import dydx, losses, shapes
from tests.vectors.asking import Ask
from tests.vectors.exceptions import EXCEPTIONS, LEFT_OUT, LEFT_OUT_OF, is_left_out
from tests.vectors.figures import Figure, figures_of
from tests.vectors.published import Vector
from tests.vectors.reading import read_single, venue_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """One vector: `missed` says which figure came out otherwise; an exception has its reason."""

    vector: Vector
    missed: tuple[str, ...] = ()
    exception: str = ""

    @property
    def is_reproduced(self) -> bool:
        return not self.missed and not self.exception


# What tells a case that is not one position: an input it has -> how it is asked.
BY_INPUT: dict[str, shapes.Shape] = {
    "rule": shapes.whole_file,
    "solve_for": shapes.listed_positions,
    "total_ntl_pos": shapes.rest_of_account,
    "legs": shapes.pnl_legs,
    "marks": shapes.ratio_with_fee,
    "maint_amount_level4": shapes.maintenance_amount,
    "btc_base_quantums_after": dydx.net_collateral,
    "open_order": shapes.order_as_filled,
    "bid_notional": shapes.order_margin,
    "usdc_deposit": shapes.strict_deposit,
    "twap_5min": losses.depegged,
    "usdc": shapes.drift_equity,
    "liability_weight": losses.drift_transfer,
}
DYDX_BY_KIND: dict[str, shapes.Shape] = {
    "liquidatable": dydx.liquidatable,
    "initial_margin": dydx.requirement,
}


# By venue and kind: what a liquidation leaves.
LOSSES: dict[tuple[str, str], shapes.Shape] = {
    ("dydx_v4", "insurance_fund"): losses.dydx_fund,
    ("dydx_v4", "liquidation_waterfall"): losses.dydx_waterfall,
    ("dydx_v4", "liquidation_execution_price"): losses.fillable,
    ("dydx_v4", "bankruptcy_price"): losses.bankruptcy,
    ("dydx_v4", "adl"): losses.dydx_deleveraging,
    ("dydx_v4", "risk_ordering"): losses.riskier,
    ("dydx_v4", "funding"): losses.unsettled_funding,
    ("drift", "insurance_fund"): losses.drift_fund_fee,
    ("drift", "partial_liquidation"): losses.drift_size,
    ("drift", "liquidation_fee"): losses.drift_ramp,
    ("drift", "socialised_loss"): losses.drift_socialised,
    ("bitmex", "gap_loss"): losses.bitmex_gap,
    ("binance", "collateral_haircut"): losses.exchanged,
}


def shape_of(vector: Vector) -> shapes.Shape | None:
    """How a case is asked; None: as one position."""
    found = next((BY_INPUT[name] for name in BY_INPUT if name in vector.inputs), None)
    found = found or LOSSES.get((vector.venue, vector.kind))
    if found is None and "tiers" in vector.inputs:
        is_name = isinstance(vector.inputs["tiers"], str)
        return shapes.sampled_table if is_name else shapes.listed_table
    if found is None and venue_of(vector) == "dydx":
        return DYDX_BY_KIND.get(vector.kind)
    return found


def compute(ask: Ask, vector: Vector) -> dict[str, Figure]:
    shape = shape_of(vector)
    if shape is not None:
        return shape(ask, vector)
    wanted = [name for name in vector.expected if not is_left_out(vector.id, vector.venue, name)]
    return figures_of(ask, vector, read_single(vector), wanted)


def judge(ask: Ask, vector: Vector) -> Verdict:
    if vector.id in EXCEPTIONS:
        return Verdict(vector, exception=EXCEPTIONS[vector.id])
    found = compute(ask, vector)
    missed = [
        f"{name}: {found.get(name)!r} is not {expected!r}"
        for name, expected in vector.expected.items()
        if not is_left_out(vector.id, vector.venue, name)
        and (name not in found or not vector.agrees(found[name], expected))
    ]
    return Verdict(vector, tuple(missed))


def table(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Lines for people: reproduced of applicable by venue, then every exception and miss."""
    for venue in sorted({verdict.vector.venue for verdict in verdicts}):
        own = [verdict for verdict in verdicts if verdict.vector.venue == venue]
        yield f"{venue:14} {sum(v.is_reproduced for v in own):3} / {len(own)}"
    yield f"{'all':14} {sum(v.is_reproduced for v in verdicts):3} / {len(verdicts)}"
    for kind, venue in sorted({(v.vector.kind, v.vector.venue) for v in verdicts}):
        own = [v for v in verdicts if (v.vector.kind, v.vector.venue) == (kind, venue)]
        yield f"{kind:27} {venue:14} {sum(v.is_reproduced for v in own):3} / {len(own)}"
    for verdict in verdicts:
        if verdict.exception:
            yield f"exception {verdict.vector.id}: {verdict.exception}"
        elif verdict.missed:
            yield f"MISSED {verdict.vector.id}: {'; '.join(verdict.missed)}"
    for (of, figure), reason in (LEFT_OUT | LEFT_OUT_OF).items():
        yield f"left out {of} {figure}: {reason}"
