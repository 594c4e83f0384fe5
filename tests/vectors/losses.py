"""Cases of what a liquidation leaves: asked of the core's columns, which no call answers yet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson

from service.contract.accounts import to_account
from service.contract.evaluate_request import decode_request
from service.contract.instruments import to_instrument
from service.risk.batch import build_batch
from service.risk.closing import allotted_bankruptcy_prices, close
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess
from service.risk.fund import Funds
from service.risk.margin import Assessment
from service.risk.markets import MarketTable
from service.risk.partial import affordable_fund_fee, fillable_prices, ramped_fee, units_to_close
from service.risk.policy import POLICIES, Policy, policy_columns
from service.risk.waterfall import Settlement, riskiest_first, settle, shared_out
from tests.vectors.asking import Ask, Book, Held, body, put
from tests.vectors.figures import Figure
from tests.vectors.published import Vector

USDC = 10**6  # quantums a dollar
DIGITS = {"BTC": 8, "ETH": 9}  # of base quantums
# What the chain's tests have where a case does not say: initial 20 %, of it a half.
INITIAL, MAINTENANCE = 0.2, 0.1
ROUNDING = 1e-3  # of the last digit of a chain's whole number: that is our floats'


@dataclass(frozen=True, slots=True)
class Columns:
    """Books as the core sees them."""

    batch: Batch
    assessment: Assessment


def columns(*books: Book) -> Columns:
    """Put accounts side by side that hold the same contracts."""
    table, accounts = MarketTable(), []
    for number, book in enumerate(books):
        asked = body(book)
        asked["accounts"][0]["id"] = f"published{number}"
        request, _, faults = decode_request(orjson.dumps(asked), 10)
        assert not faults
        for document in request.instruments or ():
            table.put_instrument(to_instrument(document))
        accounts += [to_account(document, document.id) for document in request.accounts]
    batch, _ = build_batch(accounts, table)
    return Columns(batch, assess(batch))


def settled(
    seen: Columns, policy: Policy, fills: Floats, fund: float = math.inf, closed: Sequence[int] = ()
) -> Settlement:
    """Close these pools (none given: all) without fees, by a policy in place of the venue's."""
    batch, assessment = seen.batch, seen.assessment
    chosen = np.zeros(len(batch.pools.rule), dtype=np.bool_)
    chosen[list(closed) if closed else slice(None)] = True
    assets = len(batch.asset_price)
    return settle(
        batch,
        assessment,
        close(batch, assessment, fills, np.zeros(len(fills))),
        closed=chosen,
        funds=Funds(np.full(assets, fund), np.full(assets, np.inf)),
        policies=policy_columns(POLICIES | {policy.name: policy}),
    )


def dydx_book(cash: float, held: Sequence[tuple[float, float]]) -> Book:
    """Cash that paid for (size, price) positions."""
    legs = tuple(
        Held(abs(size), price, size > 0.0, rate=MAINTENANCE, leverage=1.0 / INITIAL, isolated=False)
        for size, price in held
    )
    return Book("dydx", legs, cash + sum(size * price for size, price in held))


def listed(vector: Vector) -> Book:
    """The account of a case, the market it is about first."""
    inputs = vector.inputs
    rows = sorted(inputs["positions"], key=lambda row: row["market"] != inputs["market"])
    held = [
        (row["base_quantums"] / 10 ** DIGITS[row["market"]], inputs["prices"][row["market"]])
        for row in rows
    ]
    return dydx_book(inputs["usdc_quantums"] / USDC, held)


def bankruptcy(_: Ask, vector: Vector) -> dict[str, Figure]:
    """The quote that closing a part moves if it takes its share of the equity; rounded up."""
    seen, inputs = columns(listed(vector)), vector.inputs
    price = float(allotted_bankruptcy_prices(seen.batch, seen.assessment)[0])
    size = inputs["delta_base_quantums"] / 10 ** DIGITS[inputs["market"]]
    return {"bankruptcy_quote_quantums": float(math.ceil(-size * price * USDC - ROUNDING))}


def fillable(_: Ask, vector: Vector) -> dict[str, Figure]:
    seen, inputs = columns(listed(vector)), vector.inputs
    adjustment = inputs["bankruptcy_adjustment_ppm"] / 1e6
    spread = inputs["spread_to_mmr_ratio_ppm"] / 1e6
    price = float(fillable_prices(seen.batch, seen.assessment, adjustment, spread)[0])
    return {"fillable_price_usd": price}


def part_closed(cash: float, size: float, part: float, fill: float, vector: Vector) -> Settlement:
    """Close a part of a dYdX account's one position, with its part of the cash."""
    inputs = vector.inputs
    price = inputs.get("oracle_price", inputs.get("btc_price"))
    seen = columns(dydx_book(cash * part, [(size * part, price)]))
    rate = inputs["max_liquidation_fee_ppm"] / 1e6
    return settled(seen, replace(POLICIES["dydx"], surplus_rate=rate), np.array([fill]))


def dydx_fund(_: Ask, vector: Vector) -> dict[str, Figure]:
    """What the fund takes of a fill, or pays to it."""
    inputs = vector.inputs
    position, filled = inputs["position_base_quantums"], inputs["fill_base_quantums"]
    outcome = part_closed(
        inputs["usdc_quantums"] / USDC,
        position / 10**8,
        filled / abs(position),
        inputs["subticks"] / 10**6,
        vector,
    )
    delta = float(outcome.contributed[0] - outcome.fund[0])
    return {"insurance_fund_delta_quote_quantums": float(round(delta * USDC))}


def dydx_waterfall(_: Ask, vector: Vector) -> dict[str, Figure]:
    """An account after a fill: cash, what it cost or brought, less what went to the fund."""
    inputs = vector.inputs
    position, filled = inputs["btc_base_quantums"], inputs["fill_base_quantums"]
    part = filled / abs(position)
    outcome = part_closed(
        inputs["usdc_quantums"] / USDC, position / 10**8, part, inputs["fill_price"], vector
    )
    delta = float(outcome.contributed[0] - outcome.fund[0])
    cash = inputs["usdc_quantums"] / USDC + position * part / 10**8 * inputs["fill_price"] - delta
    return {"usdc_after": float(round(cash * USDC)), "btc_after": float(position * (1.0 - part))}


def dydx_deleveraging(_: Ask, vector: Vector) -> dict[str, Figure]:
    """Whether anything is taken over from the account that is under water."""
    inputs, price = vector.inputs, vector.inputs["oracle_price"]
    books = [
        dydx_book(inputs[who]["usdc"] / USDC, [(inputs[who]["btc"] / 10**8, price)])
        for who in ("liquidated", "offsetting")
    ]
    seen, fund = columns(*books), inputs["insurance_fund"] / USDC
    outcome = settled(seen, POLICIES["dydx"], seen.assessment.legs.mark, fund, (0,))
    return {"deleveraged": bool(outcome.handed_over[0] > 0.0)}


def riskier(_: Ask, vector: Vector) -> dict[str, Figure]:
    rows = (vector.inputs["first"], vector.inputs["second"])
    equity = np.array([float(row["nc"]) for row in rows])
    required = np.array([float(row["mmr"]) for row in rows])
    return {"cmp": 1.0 if riskiest_first(equity, required)[0] == 0 else -1.0}


def one(value: float) -> Floats:
    return np.array([float(value)])


def drift_fund_fee(_: Ask, vector: Vector) -> dict[str, Figure]:
    inputs = vector.inputs
    fee = affordable_fund_fee(
        one(inputs["margin_shortage_usd"]),
        one(inputs["base"] * inputs["oracle_price"] * inputs["quote_price"]),
        one(inputs["margin_ratio"]),
        one(inputs["liquidator_fee"]),
        one(inputs["max_if_fee"]),
    )
    return {"if_fee_1e6": float(math.floor(float(fee[0]) * 1e6 + ROUNDING))}


def drift_size(_: Ask, vector: Vector) -> dict[str, Figure]:
    """Base to close: each frees its requirement and costs the fees."""
    inputs = vector.inputs
    price = inputs["oracle_price"] * inputs["quote_price"]
    fees = inputs["liquidation_fee"] + inputs["if_fee"]
    units = units_to_close(
        one(inputs["margin_shortage_usd"]), one(price * inputs["margin_ratio"]), one(price * fees)
    )
    return {"base_amount_1e9": float(math.floor(float(units[0]) * 1e9 + ROUNDING))}


def drift_transfer(_: Ask, vector: Vector) -> dict[str, Figure]:
    """A loan to repay: each unit frees its weight and costs the collateral that goes with it."""
    inputs, price = vector.inputs, vector.inputs["liability_price"]
    # The chain has five digits here.
    worth = inputs["asset_weight"] * inputs["asset_mult"] / inputs["liability_mult"]
    worth = math.floor(worth * 1e5 + ROUNDING) / 1e5
    weight = inputs["liability_weight"]
    units = units_to_close(
        one(inputs["margin_shortage_usd"]),
        one(price * weight),
        one(price * (worth + inputs["if_fee"] * weight)),
    )
    return {"liability_transfer_1e9": float(math.floor(float(units[0]) * 1e9 + ROUNDING))}


def drift_ramp(_: Ask, vector: Vector) -> dict[str, Figure]:
    inputs = vector.inputs
    fee = ramped_fee(
        inputs["base_fee"],
        inputs["max_fee"],
        inputs["increase_per_slot_1e6"] / 1e6,
        inputs["slots_elapsed"],
        inputs["grace_slots"],
    )
    return {"fee_1e6": float(round(fee * 1e6))}


def drift_socialised(_: Ask, vector: Vector) -> dict[str, Figure]:
    """What an index loses that stands for all deposits, rounded up."""
    inputs = vector.inputs
    index, deposits = inputs["cumulative_interest_1e10"], inputs["total_deposits"]
    borne = float(shared_out(one(inputs["loss"]), one(index), one(deposits))[0])
    return {"delta": float(math.ceil(borne - ROUNDING))}


def bitmex_gap(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """The same gap with an isolated margin, and with the balance behind the position."""
    inputs = vector.inputs
    leg = Held(
        inputs["position_value"] / inputs["entry_price"],
        inputs["entry_price"],
        mark=inputs["mark_after"],
        margin=inputs["initial_margin"],
    )
    isolated = Book("bitmex", (leg,))
    outcome = settled(columns(isolated), POLICIES["bitmex"], one(leg.price))
    lost = inputs["initial_margin"] - outcome.kept[0] + outcome.owed[0]
    cross = Book("bitmex", (replace(leg, isolated=False, margin=None),), inputs["balance"])
    return {
        "loss_isolated": float(lost),
        "unrealised_loss_cross": -put(ask, cross).position()["unrealizedPnl"],
        "bankruptcy_price": put(ask, isolated).position()["bankruptcyPrice"],
    }


def exchanged(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """How much of a coin covers a negative balance: by what a dollar of it counts for."""
    weight = vector.inputs["btc_collateral_ratio"]
    coin = {"asset": "BTC", "amount": 1.0, "price": 1.0, "weight": weight}
    account = {"id": "published", "venue": "binance", "collateralMode": "multi", "balances": [coin]}
    counted = ask({"accounts": [account]})["accounts"][0]["pools"][0]["equity"]
    return {f"btc_usd_sold_{n}": -vector.inputs[f"negative_balance_{n}"] / counted for n in (1, 2)}


def depegged(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """Collateral and requirement at the price of the coin that both are counted in."""
    inputs = vector.inputs
    leg = Held(inputs["base"], inputs["price"], leverage=1.0 / inputs["imr"], isolated=False)
    asked = body(Book("drift", (leg,), inputs["usdc"]))
    asked["instruments"][0] |= {"symbol": "X0/USDC:USDC", "quote": "USDC", "settle": "USDC"}
    account = asked["accounts"][0]
    account["collateralMode"] = "multi"
    account["positions"][0]["symbol"] = "X0/USDC:USDC"
    account["balances"] = [{"asset": "USDC", "amount": inputs["usdc"], "price": inputs["oracle"]}]
    pool = ask(asked)["accounts"][0]["pools"][0]
    return {"margin_requirement": pool["initialMargin"], "total_collateral": pool["equity"]}


def unsettled_funding(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """Funding that is due is paid into the balance, as an adjustment for funding does."""
    inputs, size = vector.inputs, vector.inputs["btc_base_quantums"]
    due = (inputs["position_funding_index"] - inputs["current_funding_index"]) * size / 1e6
    cash = (inputs["usdc_quantums"] + due) / USDC
    book = dydx_book(cash, [(size / 10**8, inputs["btc_price"])])
    return {"net_collateral": float(round(put(ask, book).pool()["equity"] * USDC))}
