"""A position as ccxt gives it: its document, what is wrong with it, the engine's record of it."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from service.contract.numbers import Number
from service.risk.model import Position

MarginMode = Literal["isolated", "cross"]

_NOT_POSITIVE = ("not_positive", "the number must be > 0")


class PositionDocument(Struct, rename="camel", omit_defaults=True):
    """A position as ccxt's `fetch_positions()` gives it; keys not named here are ignored.

    A row of zero contracts is a closed position and ignored.
    """

    symbol: Annotated[str, Meta(description="ccxt's unified symbol.", min_length=1, max_length=64)]
    contracts: Annotated[Number, Meta(description="Unsigned; `side` has the direction.")]
    side: Literal["long", "short"] | None = None
    entry_price: Number | None = None
    margin_mode: MarginMode | None = None
    leverage: Number | None = None
    contract_size: Number | None = None
    mark_price: Annotated[Number, Meta(description="Evaluate calls only.")] | None = None
    margin: (
        Annotated[Number, Meta(description="Isolated margin without unrealised PnL.")] | None
    ) = None
    collateral: (
        Annotated[Number, Meta(description="ccxt's: isolated margin with unrealised PnL.")] | None
    ) = None
    unrealized_pnl: Number | None = None
    stop_loss_price: (
        Annotated[Number, Meta(description="Health checks go by it; 0 is none.")] | None
    ) = None
    take_profit_price: (
        Annotated[Number, Meta(description="Kept; nothing goes by it. 0 is none.")] | None
    ) = None
    loss_budget: (
        Annotated[Number, Meta(description="Most its stop-loss may lose, in the settle asset.")]
        | None
    ) = None


def to_position(row: PositionDocument, isolated: bool, own_marks: bool) -> Position:
    """Turn a row without faults into the engine's record; its `markPrice` only where asked for."""
    assert row.entry_price is not None
    return Position(
        row.symbol,
        row.contracts if row.side == "long" else -row.contracts,
        row.entry_price,
        isolated,
        row.leverage,
        row.contract_size,
        row.mark_price if own_marks else None,
        margin_of(row) if isolated else None,
        row.stop_loss_price or None,
        row.loss_budget,
    )


def position_faults(
    row: PositionDocument, isolated: bool, own_marks: bool
) -> list[tuple[str, str, str]]:
    """Return (field, code, detail) of what the types alone cannot say."""
    found = []
    if row.contracts < 0.0:
        found.append(("/contracts", "negative_size", "contracts are unsigned; side says which"))
    if row.side is None:
        found.append(("/side", "missing_field", "an open position has a side"))
    if row.entry_price is None:
        found.append(("/entryPrice", "missing_field", "an open position has an entry price"))
    if row.entry_price is not None and row.entry_price <= 0.0:
        found.append(("/entryPrice", *_NOT_POSITIVE))
    if row.leverage is not None and row.leverage <= 0.0:
        found.append(("/leverage", *_NOT_POSITIVE))
    if row.contract_size is not None and row.contract_size <= 0.0:
        found.append(("/contractSize", *_NOT_POSITIVE))
    if own_marks and row.mark_price is not None and row.mark_price <= 0.0:
        found.append(("/markPrice", *_NOT_POSITIVE))
    found += _stop_faults(row)
    if isolated and row.margin is None and row.collateral is None and row.leverage is None:
        detail = "an isolated position has a margin, a collateral or a leverage"
        found.append(("/margin", "missing_margin", detail))
    if row.collateral is not None and not math.isfinite(_without_pnl(row)):
        found.append(("/collateral", "out_of_range", "the number is too large"))
    return found


def _stop_faults(row: PositionDocument) -> Iterator[tuple[str, str, str]]:
    for field, price in (
        ("/stopLossPrice", row.stop_loss_price),
        ("/takeProfitPrice", row.take_profit_price),
    ):
        if price is not None and price < 0.0:
            yield (field, "not_positive", "the number must be > 0, or 0 for none")
    if row.loss_budget is not None and row.loss_budget <= 0.0:
        yield ("/lossBudget", *_NOT_POSITIVE)


def _without_pnl(row: PositionDocument) -> float:
    """ccxt's `collateral` of an isolated position has its unrealised PnL in."""
    return (row.collateral or 0.0) - (row.unrealized_pnl or 0.0)


def margin_of(row: PositionDocument) -> float | None:
    """Return an isolated position's own margin; None: initial margin at its leverage."""
    if row.margin is None and row.collateral is not None:
        return _without_pnl(row)
    return row.margin
