"""What an account does before prices move: money in and out, fills, leverage, margin mode.

No fee is taken, so an action moves money between balance, margin and PnL and makes none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from service.risk.model import Account, Balance, Instrument, Position

InstrumentOf = Callable[[str], Instrument | None]  # by symbol, at the account's venue


class Impossible(Exception):
    """An action that an account cannot do; `code` is for programs, the text for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Payment:
    """Money to a balance, from it below zero."""

    asset: str
    amount: float


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade: contracts > 0 are bought, below zero sold."""

    symbol: str
    contracts: float
    price: float
    side: Literal["long", "short"] | None = None  # needed where both are held
    leverage: float | None = None  # of a position that it opens
    isolated: bool = False  # likewise


@dataclass(frozen=True, slots=True)
class Leverage:
    """Another leverage for a symbol's positions."""

    symbol: str
    leverage: float


@dataclass(frozen=True, slots=True)
class MarginMode:
    """Another margin mode for a symbol's positions."""

    symbol: str
    isolated: bool


Action = Payment | Fill | Leverage | MarginMode


def acted(account: Account, action: Action, instrument_of: InstrumentOf) -> Account:
    """Return the account after an action; raises Impossible."""
    if isinstance(action, Payment):
        return paid(account, action.asset, action.amount)
    instrument = instrument_of(action.symbol)
    if instrument is None:
        raise Impossible("unknown_symbol", "no instrument of this symbol at the account's venue")
    if isinstance(action, Fill):
        return _filled(account, action, instrument)
    if all(position.symbol != action.symbol for position in account.positions):
        raise Impossible("no_position", "the account has no position in this symbol")
    for index, position in enumerate(account.positions):
        if position.symbol == action.symbol:
            if isinstance(action, Leverage):
                account = _levered(account, index, action.leverage, instrument)
            elif position.isolated != action.isolated:
                account = _in_mode(account, index, instrument)
    return account


def paid(account: Account, asset: str, amount: float) -> Account:
    """Return the account with so much more of an asset; weight and price are its first row's."""
    balances = list(account.balances)
    for index, row in enumerate(balances):
        if row.asset == asset:
            balances[index] = replace(row, amount=row.amount + amount)
            return replace(account, balances=tuple(balances))
    return replace(account, balances=(*balances, Balance(asset, amount)))


def _put(account: Account, index: int, *positions: Position) -> Account:
    rows = (*account.positions[:index], *positions, *account.positions[index + 1 :])
    return replace(account, positions=rows)


def _notional(position: Position, instrument: Instrument, price: float) -> float:
    size = abs(position.contracts) * (position.contract_size or instrument.contract_size)
    return size * price if instrument.linear else size / price


def _margin(position: Position, instrument: Instrument) -> float:
    """Return the margin an isolated position has, or would start with."""
    if position.margin is not None:
        return position.margin
    if position.leverage is None:
        raise Impossible("no_leverage", "isolated margin follows from a leverage, which is absent")
    return _notional(position, instrument, position.entry_price) / position.leverage


def _levered(account: Account, index: int, leverage: float, instrument: Instrument) -> Account:
    position = account.positions[index]
    margin = _margin(position, instrument) if position.isolated else position.margin
    return _put(account, index, replace(position, leverage=leverage, margin=margin))


def _in_mode(account: Account, index: int, instrument: Instrument) -> Account:
    """Move a position's margin between its pool and the account's balance."""
    position = account.positions[index]
    margin = _margin(position, instrument)
    if position.isolated:
        changed = replace(position, isolated=False, margin=None)
        return paid(_put(account, index, changed), instrument.settle, margin)
    changed = replace(position, isolated=True, margin=margin)
    return paid(_put(account, index, changed), instrument.settle, -margin)


def _filled(account: Account, fill: Fill, instrument: Instrument) -> Account:
    found = [
        index
        for index, position in enumerate(account.positions)
        if position.symbol == fill.symbol and fill.side in (None, position.side)
    ]
    if len(found) > 1:
        raise Impossible("ambiguous_position", "the account has several positions in this symbol")
    if not found:
        return _opened(account, fill, instrument)
    held = account.positions[found[0]]
    if held.contracts * fill.contracts > 0.0:
        return _added(account, found[0], fill, instrument)
    closed = min(abs(fill.contracts), abs(held.contracts))
    account = _closed(account, found[0], closed, fill, instrument)
    rest = math.copysign(abs(fill.contracts) - closed, fill.contracts)
    if rest == 0.0:
        return account
    mode = replace(fill, contracts=rest, leverage=held.leverage, isolated=held.isolated)
    return _opened(account, mode, instrument)


def _opened(account: Account, fill: Fill, instrument: Instrument) -> Account:
    if fill.side is not None and (fill.side == "long") != (fill.contracts > 0.0):
        raise Impossible("nothing_to_close", "there is no such position to reduce")
    opened = Position(
        fill.symbol, fill.contracts, fill.price, isolated=fill.isolated, leverage=fill.leverage
    )
    if not fill.isolated:
        return replace(account, positions=(*account.positions, opened))
    margin = _margin(opened, instrument)
    account = replace(account, positions=(*account.positions, replace(opened, margin=margin)))
    return paid(account, instrument.settle, -margin)


def _added(account: Account, index: int, fill: Fill, instrument: Instrument) -> Account:
    """Add to a position; the entry is the price at which all of it has the PnL of its parts."""
    held = account.positions[index]
    whole = held.contracts + fill.contracts
    if instrument.linear:
        entry = (held.contracts * held.entry_price + fill.contracts * fill.price) / whole
    else:
        entry = whole / (held.contracts / held.entry_price + fill.contracts / fill.price)
    changed = replace(held, contracts=whole, entry_price=entry)
    if not held.isolated:
        return _put(account, index, changed)
    margin = _margin(held, instrument)
    more = _margin(
        replace(held, contracts=fill.contracts, entry_price=fill.price, margin=None), instrument
    )
    changed = replace(changed, margin=margin + more)
    return paid(_put(account, index, changed), instrument.settle, -more)


def _closed(
    account: Account, index: int, contracts: float, fill: Fill, instrument: Instrument
) -> Account:
    """Close contracts of a position; PnL, and their part of an isolated margin, are paid out."""
    held = account.positions[index]
    part = contracts / abs(held.contracts)
    size = math.copysign(contracts, held.contracts)
    size *= held.contract_size or instrument.contract_size
    moved = fill.price - held.entry_price
    pnl = size * moved if instrument.linear else size * moved / held.entry_price / fill.price
    freed = _margin(held, instrument) * part if held.isolated else 0.0
    margin = _margin(held, instrument) - freed if held.isolated else held.margin
    left = math.copysign(abs(held.contracts) - contracts, held.contracts)
    rest = (replace(held, contracts=left, margin=margin),) if left != 0.0 else ()
    return paid(_put(account, index, *rest), instrument.settle, pnl + freed)
