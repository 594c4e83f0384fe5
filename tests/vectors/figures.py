"""An answer under the names that venues print: rounded as they do, fees apart where they are."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.vectors.asking import Ask, Book, put
from tests.vectors.published import Vector

# Who prints maintenance margin without the fee that counts in the liquidation price.
FEE_APART = ("okx", "kucoin")
# To which side of the raw price a venue rounds: "entry" the one where it is reached sooner.
ROUNDED_TO = {
    ("bybit", "liquidation_price"): "entry",
    ("bybit", "bankruptcy_price"): "entry",
    ("kucoin", "liquidation_price"): "entry",
    ("kucoin", "bankruptcy_price"): "away",
}
WHOLE_DOLLARS = ("krakenfutures",)  # the page cuts its prices off
LIQUIDATED = ("LIQUIDATION", "BANKRUPT")

Figure = float | bool


def rounded(vector: Vector, name: str, price: float, long: bool) -> float:
    """The price as the venue prints it."""
    if vector.venue in WHOLE_DOLLARS:
        return float(math.floor(price))
    tick = vector.inputs.get("tick")
    if tick is None:
        return price
    up = long == (ROUNDED_TO[vector.venue, name] == "entry")
    steps = price / tick
    near = round(steps)
    if abs(steps - near) > 1e-9:
        near = math.ceil(steps) if up else math.floor(steps)
    return float(near * tick)


def price_figure(ask: Ask, vector: Vector, book: Book, name: str, field: str) -> float:
    """A price of the first position; some venues print 0 where there is none."""
    found = put(ask, book).position()[field]
    return 0.0 if found is None else rounded(vector, name, found, book.legs[0].long)


def liquidation_price(ask: Ask, vector: Vector, book: Book) -> float:
    return price_figure(ask, vector, book, "liquidation_price", "liquidationPrice")


def bankruptcy_price(ask: Ask, vector: Vector, book: Book) -> float:
    return price_figure(ask, vector, book, "bankruptcy_price", "bankruptcyPrice")


def raw_bankruptcy_price(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book).position()["bankruptcyPrice"])


def maintenance_margin(ask: Ask, vector: Vector, book: Book) -> float:
    asked = book.with_leg(fee=0.0) if vector.venue in FEE_APART else book
    return float(put(ask, asked).position()["maintenanceMargin"])


def initial_margin(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book).position()["initialMargin"])


def margin(ask: Ask, vector: Vector, book: Book) -> float:
    """Deribit calls either margin so."""
    of = initial_margin if vector.kind == "initial_margin" else maintenance_margin
    return of(ask, vector, book)


def unrealised_pnl(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book).position()["unrealizedPnl"])


def notional(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book).position()["notional"])


def entry_value(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book.with_leg(mark=None)).position()["notional"])


def equity(ask: Ask, _: Vector, book: Book) -> float:
    return float(put(ask, book).pool()["equity"])


def assigned_balance(ask: Ask, vector: Vector, book: Book) -> float:
    """Phemex's margin with the closing fee in."""
    return equity(ask, vector, book.with_leg(mark=None))


def balance_with_fee(ask: Ask, vector: Vector, book: Book) -> float:
    """Bybit's position balance: the initial margin, closing fee in, that its newer rules ask."""
    return initial_margin(ask, vector, replace(book.with_leg(mark=None), venue="bybit"))


def htx_risk_rate(ask: Ask, vector: Vector, book: Book) -> float:
    answer = put(ask, book)
    held = float(answer.pool()["equity"] / answer.position()["initialMargin"])
    return held - float(vector.inputs["adjust_factor"])


def okx_margin_ratio(ask: Ask, _: Vector, book: Book) -> float:
    """Equity over maintenance, higher is safer."""
    return float(put(ask, book).pool()["healthFactor"])


def equity_at_liquidation(ask: Ask, vector: Vector, book: Book) -> float:
    price = put(ask, book).position()["liquidationPrice"]
    return equity(ask, vector, book.with_leg(mark=price))


FIGURES: Mapping[str, Callable[[Ask, Vector, Book], Figure]] = {
    "liquidation_price": liquidation_price,
    "bankruptcy_price": bankruptcy_price,
    "bankruptcy_price_raw": raw_bankruptcy_price,
    "maintenance_margin": maintenance_margin,
    "pos_maint": maintenance_margin,
    "initial_margin": initial_margin,
    "position_margin": initial_margin,
    "margin": margin,
    "unrealized_pnl": unrealised_pnl,
    "profit_unreal": unrealised_pnl,
    "notional": notional,
    "value": notional,
    "position_value": entry_value,
    "isolated_margin": equity,
    "position_balance": balance_with_fee,
    "assigned_pos_balance": assigned_balance,
    "risk_rate": htx_risk_rate,
    "margin_ratio": okx_margin_ratio,
    "equity_at_liq": equity_at_liquidation,
}


def figures_of(ask: Ask, vector: Vector, book: Book, names: list[str]) -> dict[str, Figure]:
    return {name: FIGURES[name](ask, vector, book) for name in names}
