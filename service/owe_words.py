"""What one position would owe, in words: what `POST /v1/evaluate` says of such an account."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from service.risk import aftermath, gaps, liquidation
from service.risk.batch import build_batch
from service.risk.evaluate import assess, prices
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Level, Mark, Position, Tier
from service.risk.symbols import base_of, settle_of

_WORDS = {
    "protected": "never: the venue leaves no debt",
    "no_adverse_move": "never: no price does that",
    "no_liquidation": "none: no price does that",
    "unbounded": "without bound",
}
_PAYERS = {
    "fund": "the venue's insurance fund",
    "deleveraged": "traders of the other side, by auto-deleveraging",
    "socialised": "everybody with an open position there",
    "owed": "you",
    "venue": "the venue itself",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One position and the gap that is feared; money in the settle asset."""

    symbol: str
    side: Literal["long", "short"]
    contracts: float  # > 0: coins, of an inverse contract its quote currency
    entry_price: float
    mark_price: float
    money: float  # isolated margin, or the cross wallet
    isolated: bool
    venue: str
    maintenance_rate: float
    taker_fee: float
    gap_pct: float  # > 0, of the mark, against the position

    @property
    def settle(self) -> str:
        return settle_of(self.symbol)


def is_linear(symbol: str) -> bool:
    """Say whether a contract settles in its quote currency."""
    return settle_of(symbol) != base_of(symbol)


def lines_of(asked: Asked) -> Iterator[str]:
    """Yield the answer, line by line."""
    batch, _ = build_batch([_account(asked)], _table(asked))
    seen = assess(batch)
    solved = prices(batch, seen)
    gap, most = gaps.leg_gaps(batch, seen, solved), gaps.max_loss(batch, seen)
    mode = "isolated" if asked.isolated else "cross"
    yield (
        f"{asked.side} {asked.contracts:,g} {asked.symbol} from {asked.entry_price:,g}, "
        f"{mode} with {_money(asked.money, asked)}, by the rules of {asked.venue}"
    )
    price = liquidation.REASONS[solved.reason[0]]
    yield _row("liquidation price", solved.liquidation[0], price)
    at_zero = liquidation.REASONS[solved.bankruptcy_reason[0]]
    yield _row("bankruptcy price", solved.bankruptcy[0], at_zero)
    for name, value, reason in (
        ("gap to liquidation", gap.liquidation_pct[0], gap.liquidation_reason[0]),
        ("gap to a debt", gap.owe_pct[0], gap.owe_reason[0]),
    ):
        yield _row(name, value, gaps.REASONS[reason], " %")
    yield _row("most that can be lost", most.money[0], gaps.REASONS[most.reason[0]])
    signed = -asked.gap_pct if asked.side == "long" else asked.gap_pct
    after = aftermath.aftermath(batch, seen, np.array([1.0 + signed / 100.0]))
    yield from _after(asked, signed, after)


def _after(asked: Asked, move_pct: float, after: aftermath.Aftermath) -> Iterator[str]:
    """Yield what a gap leaves, and who pays."""
    price = asked.mark_price * (1.0 + move_pct / 100.0)
    level = Level(int(after.level[0])).name
    yield f"after a gap of {move_pct:+g} % to {price:,.8g}: {level}"
    yield _row("  equity", after.equity[0], aftermath.REASONS[after.reason[0]])
    yield _row("  missing, with the fee", after.shortfall[0], aftermath.REASONS[after.reason[0]])
    for name, words in _PAYERS.items():
        if (paid := float(getattr(after, name)[0])) > 0.0:
            yield f"  {_money(paid, asked)} of it: {words}"
    owed = float(after.owed[0])
    yield f"You would owe {_money(owed, asked)}." if owed > 0.0 else "You would owe nothing."


def _row(name: str, value: float, reason: str, unit: str = "") -> str:
    figure = _WORDS.get(reason, reason.replace("_", " ")) if reason else f"{value:,.8g}{unit}"
    return f"{name:<24}{figure}"


def _money(amount: float, asked: Asked) -> str:
    return f"{amount:,.8g} {asked.settle}"


def _account(asked: Asked) -> Account:
    signed = asked.contracts if asked.side == "long" else -asked.contracts
    margin = asked.money if asked.isolated else None
    position = Position(
        asked.symbol, signed, asked.entry_price, isolated=asked.isolated, margin=margin
    )
    balances = () if asked.isolated else (Balance(asked.settle, asked.money),)
    return Account("you", asked.venue, balances=balances, positions=(position,))


def _table(asked: Asked) -> MarketTable:
    quote = asked.symbol.partition(":")[0].partition("/")[2]
    table = MarketTable()
    table.put_instrument(
        Instrument(
            asked.symbol,
            is_linear(asked.symbol),
            1.0,
            base_of(asked.symbol),
            quote,
            asked.settle,
            (Tier(0.0, inf, asked.maintenance_rate),),
            asked.venue,
            asked.taker_fee,
        )
    )
    table.put_mark(Mark(asked.symbol, asked.mark_price, asked.venue))
    return table
