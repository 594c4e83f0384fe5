"""Vectors that say more than one position does: whole accounts, tables, a file of tables."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from service.risk.legs import tier_of
from service.risk.model import Instrument, Tier
from service.risk.tiers import build_tables, deductions
from service.risk.venues import RULES
from tests.vectors.asking import Ask, Book, Held, put
from tests.vectors.figures import Figure, liquidation_price
from tests.vectors.published import Vector, shared_folder
from tests.vectors.reading import read_leg, venue_of
from tests.vectors.tables import binance_tables

Shape = Callable[[Ask, Vector], dict[str, Figure]]


def listed_positions(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """A cross account as a list of positions; the price is of one of them."""
    rows = sorted(
        vector.inputs["positions"], key=lambda row: row["symbol"] != vector.inputs["solve_for"]
    )
    legs = tuple(
        Held(
            row["qty"],
            row["entry"],
            row["side"] == "long",
            row["mark"],
            row["mmr"],
            row["cum"],
            isolated=False,
        )
        for row in rows
    )
    book = Book(venue_of(vector), legs, vector.inputs["cross_wallet"])
    return {"liquidation_price": liquidation_price(ask, vector, book)}


def rest_of_account(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """A position of an account known by its sums only: the rest is one other position."""
    leg = replace(read_leg(vector), isolated=False, rate=vector.inputs["mmr_inferred"])
    rest = vector.inputs["total_ntl_pos"] - leg.notional
    others = Held(rest, 1.0, rate=leg.rate, isolated=False)
    book = Book(venue_of(vector), (leg, others), vector.inputs["account_value"])
    return {"liquidation_price": liquidation_price(ask, vector, book)}


def pnl_legs(ask: Ask, vector: Vector) -> dict[str, Figure]:
    legs = tuple(
        Held(row["qty_btc"], row["entry"], row["side"] == "long", row["mark"], isolated=False)
        for row in vector.inputs["legs"]
    )
    answer = put(ask, Book(venue_of(vector), legs))
    return {f"upnl_leg{n + 1}": answer.position(n)["unrealizedPnl"] for n in range(len(legs))}


def ratio_with_fee(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """Equity worked back out of a printed ratio needs the requirement that the ratio is of."""
    leg = read_leg(
        replace(vector, inputs={**vector.inputs, "mark_price": vector.inputs["marks"][0]})
    )
    equities = []
    for mark, ratio in zip(vector.inputs["marks"], vector.inputs["margin_ratio"], strict=True):
        answer = put(ask, Book(venue_of(vector), (replace(leg, mark=mark),)))
        equities.append(answer.position()["maintenanceMargin"] / ratio)
    return {"equity_change": equities[1] - equities[0]}


def order_as_filled(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """An open order is asked about as a position beside the others, entered at the mark.

    What opening it would cost is taken off the wallet: that is how KuCoin counts one.
    """
    inputs = vector.inputs
    legs = tuple(
        Held(
            row["contracts"] * row["multiplier"],
            row["mark"],
            rate=row["mmr"],
            fee=inputs["taker_fee"],
            isolated=False,
        )
        for row in (inputs["position"], inputs["open_order"])
    )
    wallet = inputs["total_margin"] - legs[1].notional * inputs["taker_fee"]
    return {"risk_rate": put(ask, Book(venue_of(vector), legs, wallet)).pool()["marginRatio"]}


def order_margin(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """The same of orders on one side of the book: their initial margin is a position's."""
    inputs = vector.inputs
    leverage = inputs["leverage"]
    sizes = (inputs["position_initial_margin"] * leverage, inputs["bid_notional"])
    legs = tuple(Held(size, 1.0, leverage=leverage, isolated=False) for size in sizes)
    answer = put(ask, Book(venue_of(vector), legs))
    return {
        "open_order_initial_margin": answer.position(1)["initialMargin"],
        "total_initial_margin": answer.pool()["initialMargin"],
    }


def strict_deposit(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """A deposit at the worse of two prices; only a debt would need the better one too."""
    price = min(vector.inputs["oracle"], vector.inputs["twap_5min"])
    balance = {"asset": "USDC", "amount": vector.inputs["usdc_deposit"], "price": price}
    account = {"id": "published", "venue": "drift", "collateralMode": "multi"}
    answer = ask({"accounts": [account | {"balances": [balance]}]})
    return {"total_collateral": answer["accounts"][0]["pools"][0]["equity"]}


def drift_equity(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """Equity without weights: what was paid for a position, or borrowed, is subtracted."""
    inputs = vector.inputs
    if "base" in inputs:
        leg = Held(inputs["base"], -inputs["quote"] / inputs["base"], True, inputs["price"])
        book = Book(venue_of(vector), (replace(leg, isolated=False),), inputs["usdc"])
        return {"equity": put(ask, book).pool()["equity"]}
    account: dict[str, Any] = {"id": "published", "venue": "drift", "collateralMode": "multi"}
    account["balances"] = [
        {"asset": "USDC", "amount": inputs["usdc"], "price": 1.0},
        {"asset": "SOL", "amount": -inputs["sol_borrow"], "price": inputs["price"]},
    ]
    return {"equity": ask({"accounts": [account]})["accounts"][0]["pools"][0]["equity"]}


def maintenance_amount(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """A deduction that is not given follows from the one before it: read it off a requirement."""
    inputs = vector.inputs
    floor, rate = inputs["level5_floor_btc"], inputs["mmr_level5"]
    tiers = [
        {
            "minNotional": 0.0,
            "maxNotional": floor,
            "maintenanceMarginRate": inputs["mmr_level4"],
            "maintenanceAmount": inputs["maint_amount_level4"],
        },
        {"minNotional": floor, "maintenanceMarginRate": rate},
    ]
    leg = Held(2.0 * floor, 1.0, inverse=True, isolated=False, tiers=tiers)
    found = put(ask, Book(venue_of(vector), (leg,))).position()
    return {"maintenance_amount": found["notional"] * rate - found["maintenanceMargin"]}


def sampled_table(ask: Ask, vector: Vector) -> dict[str, Figure]:
    """A notional in a real table of the samples file."""
    place, name = vector.inputs["tiers"].split("#")[1].split(" ")
    samples = json.loads((shared_folder() / "data" / "tiers_samples.json").read_text())
    rows = samples[place]["tables"][name]
    tiers = [
        {
            "minNotional": row["min_notional"],
            "maxNotional": row["max_notional"],
            "maintenanceMarginRate": row["mmr"],
        }
        for row in rows
    ]
    leg = Held(vector.inputs["notional"], 1.0, isolated=False, tiers=tiers)
    answer = put(ask, Book(venue_of(vector), (leg,)))
    return {"maintenance_margin": answer.position()["maintenanceMargin"]}


def listed_table(_: Ask, vector: Vector) -> dict[str, Figure]:
    """The rate and the deduction that hold at a size."""
    rows = vector.inputs["tiers"]
    caps = [*(row[0] for row in rows[1:]), math.inf]
    tiers = tuple(
        Tier(floor, cap, rate, None, amount)
        for (floor, rate, amount), cap in zip(rows, caps, strict=True)
    )
    listed = Instrument("ADA/USDT:USDT", True, 1.0, "ADA", "USDT", "USDT", tiers)
    tables = build_tables([(listed, RULES[venue_of(vector)])])
    tier = tier_of(tables.floor, 0, float(vector.inputs["notional"]))
    return {
        "mmr": float(tables.rate[0, tier]),
        "maintenance_amount": float(tables.deduction[0, tier]),
    }


def whole_file(_: Ask, __: Vector) -> dict[str, Figure]:
    """Tiers of the real tables whose deduction is the one by continuity, to the last bits."""
    matching = 0
    for rows in binance_tables().values():
        table = np.array(rows)
        computed = deductions(table[:, 0], table[:, 2])
        bits = np.spacing(np.maximum(table[:, 4], table[:, 0] * table[:, 2]))
        matching += int(np.sum(np.abs(computed - table[:, 4]) <= len(rows) * bits))
    return {"matching_tiers": matching}
