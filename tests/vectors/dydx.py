"""dYdX's cases: accounts as cash that paid for positions, money in quantums, rounded up."""

import math
from collections.abc import Sequence

from tests.vectors.asking import Answered, Ask, Book, Held, put
from tests.vectors.figures import LIQUIDATED, Figure
from tests.vectors.published import Vector
from tests.vectors.reading import venue_of

USDC = 10**6  # quantums a dollar
ROUNDING = 1e-5  # quantums that are not rounded up: they are our floats'


def cash_and_positions(
    ask: Ask, vector: Vector, cash: float, held: Sequence[tuple[float, float, float, float]]
) -> Answered:
    """A dYdX account: cash that paid for (size, price, initial, maintenance rate) positions."""
    legs = tuple(
        Held(abs(size), price, size > 0.0, None, mmf, None, 0.0, 1.0 / imf, isolated=False)
        for size, price, imf, mmf in held
    )
    wallet = cash + sum(size * price for size, price, _, _ in held)
    return put(ask, Book(venue_of(vector), legs, wallet))


def net_collateral(ask: Ask, vector: Vector) -> dict[str, Figure]:
    inputs = vector.inputs
    held = [
        (
            inputs[f"{asset}_base_quantums_after"] / 10**digits,
            inputs["prices"][asset.upper()],
            inputs[asset]["imf"],
            inputs[asset]["mmf"],
        )
        for asset, digits in (("btc", 8), ("eth", 9))
    ]
    pool = cash_and_positions(ask, vector, inputs["usdc_quantums"] / USDC, held).pool()
    names = {"net_collateral": "equity", "initial_margin": "initialMargin"}
    names["maintenance_margin"] = "maintenanceMargin"
    return {name: float(round(pool[field] * USDC)) for name, field in names.items()}


def fractions_of(vector: Vector) -> tuple[float, float]:
    initial = vector.inputs["imf_ppm"] / 1e6
    return initial, initial * vector.inputs["maintenance_fraction_ppm"] / 1e6


def liquidatable(ask: Ask, vector: Vector) -> dict[str, Figure]:
    inputs = vector.inputs
    if "net_collateral" in inputs:
        # No maintenance there means no position.
        rate = inputs["maintenance_margin"] / 1_000.0
        leg = Held(1_000.0 if rate else 0.0, 1.0, rate=rate, isolated=False)
        answer = put(ask, Book(venue_of(vector), (leg,), inputs["net_collateral"]))
    else:
        size = inputs["position_base_quantums"] / 10**8
        held = [(size, inputs["btc_price"], *fractions_of(vector))]
        answer = cash_and_positions(ask, vector, inputs["usdc_quantums"] / USDC, held)
    return {"liquidatable": answer.account["level"] in LIQUIDATED}


def requirement(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """Requirements in quantums, rounded up; dYdX scales the initial fraction by open interest."""
    inputs = vector.inputs
    scale = 1.0
    if "quote_quantums" in inputs:
        notional, interest = float(inputs["quote_quantums"]), inputs["open_interest_notional"]
        low, high, share = inputs["lower_cap"], inputs["upper_cap"], 0.5
    else:
        scale = inputs["price"] * 10.0 ** (inputs["exponent"] + inputs["atomic_resolution"]) * USDC
        notional = inputs["base_quantums"] * scale
        interest = (inputs["open_interest_base_quantums"] or 0) * scale
        low, high = inputs["oi_lower_cap"], inputs["oi_upper_cap"]
        share = inputs["maintenance_fraction_ppm"] / 1e6
    fraction = inputs["imf_ppm"] / 1e6
    part = min(1.0, max(0.0, (interest - low) / (high - low))) if high > low else 0.0
    scaled = math.floor(1e6 * (fraction + (1.0 - fraction) * part) + ROUNDING) / 1e6
    leg = Held(notional, 1.0, rate=fraction * share, leverage=1.0 / scaled, isolated=False)
    found = put(ask, Book(venue_of(vector), (leg,))).position()
    return {
        "initial_margin": float(math.ceil(found["initialMargin"] - ROUNDING)),
        "maintenance_margin": float(math.ceil(found["maintenanceMargin"] - ROUNDING)),
    }
