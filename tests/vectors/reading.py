"""From a published vector's inputs to an account: every venue's words for the same few things."""

from tests.vectors.asking import Book, Held
from tests.vectors.published import Vector

# Whose rules a source goes by; sources that are no venue of ours use rules that are.
VENUES = {"dydx_v4": "dydx", "jesse": "bybit-classic", "poloniex": "generic", "nautilus": "generic"}
# Bybit's printed liquidation prices of isolated positions are those of its classic accounts.
CLASSIC_KINDS = ("liquidation_price", "bankruptcy_price")
USDC_QUANTUM = 1e-6


def venue_of(vector: Vector) -> str:
    if vector.venue == "bybit" and vector.kind in CLASSIC_KINDS and not vector.is_cross:
        return "bybit-classic"
    return VENUES.get(vector.venue, vector.venue)


def unit_of(vector: Vector) -> float:
    names = ("contract_size_usd", "contract_multiplier", "contract_value", "multiplier")
    return float(vector.first(*names) or 1.0)


def quantity_of(vector: Vector) -> float:
    """Base if linear, quote if inverse; a price formula without a size is asked of one."""
    if "contracts" in vector.inputs:
        return float(vector.inputs["contracts"]) * unit_of(vector)
    size = vector.first("qty", "size", "contracts_usd", "quantity", "szi")
    return 1.0 if size is None else abs(float(size))


def is_long(vector: Vector) -> bool:
    if "side" in vector.inputs:
        return bool(vector.inputs["side"] == "long")
    return float(vector.first("szi", "size", "qty") or 1.0) > 0.0


def mark_of(vector: Vector) -> float | None:
    """The mark, or what makes it: a notional of a size; None: not given, so at entry."""
    given = vector.first("mark_price", "last_price", "price", "index_price")
    if given is not None:
        return float(given)
    notional = vector.first("notional", "position_value", "notional_usd")
    if notional is None and "imr_amount" in vector.inputs:
        notional = vector.inputs["imr_amount"] * vector.inputs["leverage"]
    return None if notional is None else abs(float(notional)) / quantity_of(vector)


def entry_of(vector: Vector) -> float:
    given = vector.first("entry_price", "open_price")
    if given is not None:
        return float(given)
    mark = mark_of(vector)
    assert mark is not None
    return mark


def rate_of(vector: Vector) -> float:
    """The maintenance rate, or what a venue gives instead."""
    given = vector.first("mmr", "mmf", "mmr_inferred")
    inputs = vector.inputs
    if given is not None:
        return float(given)
    if "adjust_factor" in inputs:
        return float(inputs["adjust_factor"] / inputs["leverage"])
    if "base_rate" in inputs:
        return float(inputs["base_rate"] + inputs["size"] * inputs["slope_per_unit"])
    if "mmr_amount" in inputs:
        mark = mark_of(vector)
        assert mark is not None
        return float(inputs["mmr_amount"] / (mark * quantity_of(vector)))
    if "pos_maint" in inputs:
        # KuCoin's has the closing commission in, by which the position's margin exceeds the rest.
        commission = inputs["pos_margin"] - inputs["pos_init"] - inputs.get("pos_cross", 0.0)
        return float((inputs["pos_maint"] - commission) / (quantity_of(vector) * entry_of(vector)))
    return 0.0


def margin_of(vector: Vector) -> float | None:
    """Money behind an isolated position without its PnL; None: initial margin at the leverage."""
    if "pos_init" in vector.inputs:
        return float(vector.inputs["pos_init"] + vector.inputs.get("pos_cross", 0.0))
    given = vector.first("isolated_wallet", "isolated_margin", "margin", "margin_static", "equity")
    return None if given is None else float(given)


def wallet_of(vector: Vector, leg: Held) -> float:
    """Money behind a cross position without its PnL."""
    inputs, side = vector.inputs, 1.0 if leg.long else -1.0
    if "bankruptcy_price" in inputs:
        return float(side * leg.quantity * (leg.entry - inputs["bankruptcy_price"]))
    if "margin_ratio" in inputs:  # OKX: equity over maintenance and fee
        requirement = inputs["mmr_amount"] + leg.fee * leg.notional
        return float(inputs["margin_ratio"] * requirement - inputs["upl"])
    given = vector.first("cross_wallet", "margin", "adj_eq", "account_value")
    return 0.0 if given is None else float(given)


def read_leg(vector: Vector) -> Held:
    amount = vector.first("maintenance_amount", "mm_amount")
    leverage = vector.inputs.get("leverage")
    if "base_rate" in vector.inputs and vector.kind == "initial_margin":
        leverage = 1.0 / rate_of(vector)
    if "margin_init" in vector.inputs:
        leverage = 1.0 / vector.inputs["margin_init"]
    isolated = not vector.is_cross
    margin = margin_of(vector) if isolated else None
    return Held(
        quantity_of(vector),
        entry_of(vector),
        is_long(vector),
        mark_of(vector),
        rate_of(vector),
        None if amount is None else float(amount),
        float(vector.first("taker_fee", "liq_fee_rate") or 0.0),
        1.0 if leverage is None and margin is None and isolated else leverage,
        margin,
        vector.is_inverse,
        isolated,
        unit_of(vector),
    )


def read_single(vector: Vector) -> Book:
    """An account with the one position that the vector is about."""
    leg = read_leg(vector)
    return Book(venue_of(vector), (leg,), 0.0 if leg.isolated else wallet_of(vector, leg))
