"""The crash through the engine: who is liquidated when on a given mark, and what that leaves.

Every second all who are left are evaluated at the marks of its end. Whoever is at LIQUIDATION or
beyond is closed where the perpetual's next bar opens, with a slippage, for the taker fee; the
waterfall settles that. Fills move nobody's mark, so one pass serves several slippages.
"""

from dataclasses import dataclass, replace

import numpy as np

from service.risk.batch import build_batch
from service.risk.closing import taker_fees
from service.risk.columns import Batch, Floats, Ints, sums_by
from service.risk.evaluate import assess, select
from service.risk.fund import Funds
from service.risk.liquidate import liquidate
from service.risk.markets import MarketTable
from service.risk.model import Level, Mark
from service.risk.policy import ALL, POLICIES, Policy, policy_columns
from service.risk.waterfall import Settlement
from studies.crash.accounts import CONTRACT_USD, VENUE, Listing, Trader, market_table
from studies.crash.tape import Tape

SLIPPAGES = (0.0, 0.005, 0.02)
STATED = 1  # the slippage whose figures are told first

# Who pays, by the waterfall with another row for the venue: the trader; a fund that gets nothing
# of what liquidations leave; one that gets all of it.
TRADER_OWES = Policy(VENUE)
FUND_PAYS = Policy(VENUE, negative_balance_protection=True, fund=True)
FUND_TAKES_AND_PAYS = replace(FUND_PAYS, surplus_rate=ALL)
_POLICIES = {
    name: policy_columns(POLICIES | {VENUE: policy})
    for name, policy in (
        ("trader", TRADER_OWES),
        ("fund", FUND_PAYS),
        ("taking", FUND_TAKES_AND_PAYS),
    )
}


@dataclass(slots=True)
class Fates:
    """What became of every trader on one mark; money in USD at the spot median of its second."""

    second: Ints  # of the liquidation, since the start; -1: never
    size: Floats  # of all that was closed, in contracts' USD
    kept: Floats  # (slippages, traders), the trader's own after it
    owed: Floats  # (slippages, traders), where the trader owes
    fund: Floats  # (slippages, traders), what a fund pays instead
    to_fund: Floats  # (slippages, traders), what one that takes surpluses gets, less what it pays
    equity: Floats  # at the end, of those never liquidated; 0 of the others

    @classmethod
    def of(cls, traders: int) -> "Fates":
        money = (len(SLIPPAGES), traders)
        return cls(
            second=np.full(traders, -1),
            size=np.zeros(traders),
            kept=np.zeros(money),
            owed=np.zeros(money),
            fund=np.zeros(money),
            to_fund=np.zeros(money),
            equity=np.zeros(traders),
        )


def play(tape: Tape, marks: Floats, traders: list[Trader], listings: list[Listing]) -> Fates:
    """Let everybody live through the tape on these marks, (seconds, markets).

    Coins are worth their spot median whatever the mark is.
    """
    table = market_table(listings)
    _put(table, listings, marks[0], tape.spot[0])
    batch, _ = build_batch([trader.account for trader in traders], table)
    assert len(batch.pools.rule) == len(traders)  # a pool each
    left, who = batch, batch.pools.account
    rows = [table.market(VENUE, each.symbol) for each in listings]
    fates = Fates.of(len(traders))
    for second in range(len(marks)):
        if second and not _moved(tape, marks, second):
            continue
        _put(table, listings, marks[second], tape.spot[second])
        left = replace(left, markets=table.columns(), asset_price=table.asset_prices())
        due = assess(left).pools.level >= Level.LIQUIDATION
        if due.any():
            fills = np.full(len(left.markets.mark), np.nan)
            fills[rows] = tape.fill[second]
            _close(fates, second, select(left, np.flatnonzero(due)), who[due], fills)
            left, who = select(left, np.flatnonzero(~due)), who[~due]
    fates.equity[who] = assess(left).pools.equity * _worth(left)
    return fates


def _moved(tape: Tape, marks: Floats, second: int) -> bool:
    same = np.array_equal(marks[second], marks[second - 1])
    return not (same and np.array_equal(tape.spot[second], tape.spot[second - 1]))


def _put(table: MarketTable, listings: list[Listing], marks: Floats, spot: Floats) -> None:
    for each, mark, index in zip(listings, marks.tolist(), spot.tolist(), strict=True):
        table.put_mark(Mark(each.symbol, mark, VENUE, index_price=index))


def _close(fates: Fates, second: int, due: Batch, who: Ints, fills: Floats) -> None:
    """Settle what these pools leave at a fill a market, once for each slippage and payer."""
    legs, worth = due.legs, _worth(due)
    fates.second[who] = second
    fates.size[who] = sums_by(legs.pool, np.abs(legs.contracts) * CONTRACT_USD, len(who))
    fill = (fills / due.markets.mark)[legs.market]
    for row, slippage in enumerate(SLIPPAGES):
        told = _settled(due, fill * (1.0 - np.sign(legs.contracts) * slippage))
        fates.kept[row, who] = told["trader"].kept * worth
        fates.owed[row, who] = told["trader"].owed * worth
        fates.fund[row, who] = told["fund"].fund * worth
        fates.to_fund[row, who] = (told["taking"].contributed - told["taking"].fund) * worth


def _settled(due: Batch, fill: Floats) -> dict[str, Settlement]:
    funds, fee_rate = Funds.unlimited(len(due.asset_price)), taker_fees(due)
    return {
        name: liquidate(due, fill=fill, fee_rate=fee_rate, funds=funds, policies=each).settlement
        for name, each in _POLICIES.items()
    }


def _worth(batch: Batch) -> Floats:
    """Return what one unit of each pool's money is in USD."""
    worth: Floats = np.where(batch.pools.multi, 1.0, batch.asset_price[batch.pools.settle])
    return worth
