"""Questions to `POST /v1/evaluate` in the terms vectors are published in, and what was answered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # a body -> the answer's body


@dataclass(frozen=True, slots=True)
class Held:
    """A position and its one tier (or table); sizes in base, or quote if inverse."""

    quantity: float
    entry: float
    long: bool = True
    mark: float | None = None  # None: at entry
    rate: float = 0.0
    amount: float | None = None
    fee: float = 0.0
    leverage: float | None = None
    margin: float | None = None
    inverse: bool = False
    isolated: bool = True
    unit: float = 1.0  # contract size
    tiers: Sequence[Mapping[str, float]] | None = None

    @property
    def price(self) -> float:
        return self.entry if self.mark is None else self.mark

    @property
    def notional(self) -> float:
        """At the mark."""
        return self.quantity / self.price if self.inverse else self.quantity * self.price


@dataclass(frozen=True, slots=True)
class Answered:
    """The account of an answer; positions as they were asked."""

    account: Mapping[str, Any]

    def position(self, number: int = 0) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.account["positions"][number]
        return found

    def pool(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.account["pools"][0]
        return found


@dataclass(frozen=True, slots=True)
class Book:
    """What one account of a venue holds; `wallet` backs its cross pool."""

    venue: str
    legs: tuple[Held, ...]
    wallet: float = 0.0

    def with_leg(self, **changes: Any) -> "Book":
        """The same with the first leg changed."""
        return replace(self, legs=(replace(self.legs[0], **changes), *self.legs[1:]))


def symbol_of(number: int, inverse: bool) -> str:
    return f"X{number}/USD:X{number}" if inverse else f"X{number}/USDT:USDT"


def instrument(number: int, leg: Held, venue: str) -> dict[str, Any]:
    tier: dict[str, float] = {"minNotional": 0.0, "maintenanceMarginRate": leg.rate}
    if leg.amount is not None:
        tier["maintenanceAmount"] = leg.amount
    return {
        "venue": venue,
        "symbol": symbol_of(number, leg.inverse),
        "linear": not leg.inverse,
        "contractSize": leg.unit,
        "base": f"X{number}",
        "quote": "USD" if leg.inverse else "USDT",
        "settle": f"X{number}" if leg.inverse else "USDT",
        "takerFee": leg.fee,
        "tiers": [tier] if leg.tiers is None else list(leg.tiers),
    }


def position(number: int, leg: Held) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": symbol_of(number, leg.inverse),
        "side": "long" if leg.long else "short",
        "contracts": leg.quantity / leg.unit,
        "entryPrice": leg.entry,
        "markPrice": leg.price,
        "marginMode": "isolated" if leg.isolated else "cross",
    }
    optional = {"leverage": leg.leverage, "margin": leg.margin}
    return row | {name: value for name, value in optional.items() if value is not None}


def body(book: Book) -> dict[str, Any]:
    """The request that asks about one account, its contracts and marks inline."""
    settle = instrument(0, book.legs[0], book.venue)["settle"]
    account = {
        "id": "published",
        "venue": book.venue,
        "balances": [{"asset": settle, "amount": book.wallet}],
        "positions": [position(number, leg) for number, leg in enumerate(book.legs)],
    }
    listed = [instrument(number, leg, book.venue) for number, leg in enumerate(book.legs)]
    return {"accounts": [account], "instruments": listed}


def put(ask: Ask, book: Book) -> Answered:
    return Answered(ask(body(book))["accounts"][0])
