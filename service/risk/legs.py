"""Compiled: what a leg is before any mark, every figure of it at its mark, and a balance's worth.

A leg's money is in its market's settle asset. A pool's is in the pool's settle asset; in multi mode
that is USD and a leg's money is multiplied by its settle asset's price first. What is missing is
NaN, and so is what is made of it.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Batch, Bools, Floats, Int8s, Ints
from service.risk.compiled import inlined
from service.risk.venues import RULE_COLUMNS

# The venues' rules; those of two rows by margin mode, cross first.
_ON_ENTRY, _INITIAL_ON_ENTRY = RULE_COLUMNS.on_entry, RULE_COLUMNS.initial_on_entry
_ON_NOTIONAL, _ON_COST = RULE_COLUMNS.fee_on_notional, RULE_COLUMNS.fee_on_cost
_AT_BANKRUPTCY, _IN_BANKRUPTCY = RULE_COLUMNS.fee_at_bankruptcy, RULE_COLUMNS.bankruptcy_fee
_IN_INITIAL, _DEFAULT_FEE = RULE_COLUMNS.initial_fee, RULE_COLUMNS.default_fee


class Given(NamedTuple):
    """A batch as compiled code reads it; see `columns` for what each is."""

    pool: Ints
    market: Ints
    contracts: Floats
    contract_size: Floats
    entry_price: Floats
    leverage: Floats
    margin: Floats
    mark: Floats
    rule: Ints  # from here on of pools
    isolated: Bools
    multi: Bools
    warning: Floats
    margin_call: Floats
    linear: Bools  # of markets
    listed_size: Floats
    taker_fee: Floats
    table: Ints
    settle: Ints
    market_mark: Floats
    market_quality: Int8s
    market_most: Int8s
    by_contracts: Bools  # of tables
    floor: Floats
    rate: Floats
    deduction: Floats
    rebate: Floats
    max_leverage: Floats
    asset_price: Floats  # of assets
    holder: Ints  # of holdings
    asset: Ints
    amount: Floats
    weight: Floats
    price: Floats


class LegTerms(NamedTuple):
    """What a leg is before any mark: signed size, its rules, its fixed amounts; a row a leg."""

    linear: Bools
    size: Floats  # signed; linear: base, inverse: quote
    entry_notional: Floats
    leverage: Floats  # given, else the most that its tier at entry allows, else 1
    initial_fee: Floats  # money that initial margin holds for closing
    initial_on_entry: Bools
    fee_rate: Floats  # counted inside maintenance, a share of the basis notional
    bankruptcy_fee_rate: Floats  # counted in the bankruptcy price, a share of its notional
    bankruptcy_fee: Floats  # money counted in the bankruptcy price
    on_entry: Bools
    fixed_fee: Floats  # money counted inside maintenance whatever the mark
    margin: Floats  # isolated wallet margin; 0 for cross


class AtMark(NamedTuple):
    """What a mark adds to the terms of legs; a row a leg."""

    mark: Floats
    notional: Floats
    unrealised_pnl: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    settle_price: Floats
    tier: Ints
    unpriced: Bools


def given_of(batch: Batch) -> Given:
    """Return a batch's columns."""
    legs, pools, markets = batch.legs, batch.pools, batch.markets
    tables, holdings = batch.tables, batch.holdings
    return Given(
        legs.pool,
        legs.market,
        legs.contracts,
        legs.contract_size,
        legs.entry_price,
        legs.leverage,
        legs.margin,
        legs.mark,
        pools.rule,
        pools.isolated,
        pools.multi,
        pools.warning,
        pools.margin_call,
        markets.linear,
        markets.contract_size,
        markets.taker_fee,
        markets.table,
        markets.settle,
        markets.mark,
        markets.quality,
        markets.most,
        tables.by_contracts,
        tables.floor,
        tables.rate,
        tables.deduction,
        tables.rebate,
        tables.max_leverage,
        batch.asset_price,
        holdings.pool,
        holdings.asset,
        holdings.amount,
        holdings.weight,
        holdings.price,
    )


@inlined
def tier_of(floor: Floats, table: int, size: float) -> int:
    """Return the last tier of a table whose floor is at most the size; the first for NaN."""
    tier, step = 0, floor.shape[1] >> 1
    while step:
        if floor[table, tier + step] <= size:
            tier += step
        step >>= 1
    return tier


@inlined
def put_terms(given: Given, terms: LegTerms, row: int) -> None:
    """Write what is fixed about a leg; a missing instrument leaves NaN."""
    pool, market = given.pool[row], given.market[row]
    rule, isolated = given.rule[pool], given.isolated[pool]
    mode, linear = int(isolated), given.linear[market]
    size = given.contracts[row] * _first(given.contract_size[row], given.listed_size[market])
    entry_notional = notional_at(linear, size, given.entry_price[row])
    leverage = _leverage(given, row, entry_notional)
    fee = _first(given.taker_fee[market], _DEFAULT_FEE[rule])
    on_cost, counted = _ON_COST[mode, rule], _IN_BANKRUPTCY[mode, rule]
    at_bankruptcy = _AT_BANKRUPTCY[mode, rule]
    # At the bankruptcy price the notional is less by the margin: linear longs, inverse shorts.
    less = -1.0 if linear == (size > 0.0) and not on_cost else 1.0
    margin = entry_notional / leverage
    closing_fee = fee * _floored(entry_notional + less * margin)
    initial_fee = closing_fee * _IN_INITIAL[rule]
    initial = margin + initial_fee
    # A given margin has the fee in: notional = entry notional -+ (margin - fee x notional).
    share = 1.0 + less * fee
    if isolated and at_bankruptcy and not np.isnan(given.margin[row]) and share > 0.0:
        closing_fee = fee * (_floored(entry_notional + less * given.margin[row]) / share)
    terms.linear[row], terms.size[row] = linear, size
    terms.entry_notional[row], terms.leverage[row] = entry_notional, leverage
    terms.initial_fee[row] = initial_fee
    terms.initial_on_entry[row] = _INITIAL_ON_ENTRY[mode, rule]
    terms.fee_rate[row] = fee * _ON_NOTIONAL[mode, rule]
    terms.bankruptcy_fee_rate[row] = fee * (counted and not on_cost)
    terms.bankruptcy_fee[row] = closing_fee * (counted and on_cost)
    terms.on_entry[row] = _ON_ENTRY[mode, rule]
    terms.fixed_fee[row] = closing_fee * (at_bankruptcy or on_cost)
    terms.margin[row] = _first(given.margin[row], initial) if isolated else 0.0


@inlined
def put_figures(
    given: Given, terms: LegTerms, found: AtMark, row: int, settle_price: float
) -> None:
    """Write a leg's figures at its own mark, else its market's; none of them where one is lacking.

    `settle_price` is what a unit of its settle asset is in its pool's money.
    """
    market = given.market[row]
    mark = _first(given.mark[row], given.market_mark[market])
    linear, size = given.linear[market], terms.size[row]
    notional = notional_at(linear, size, mark)
    pnl = pnl_at(linear, size, given.entry_price[row], mark)
    basis = terms.entry_notional[row] if terms.on_entry[row] else notional
    table = max(given.table[market], 0)
    tier = _tier(given, row, basis)
    fee = terms.fee_rate[row]
    if given.by_contracts[table]:
        fee -= given.rebate[table, tier] / abs(given.contracts[row])
    required = basis * given.rate[table, tier] - given.deduction[table, tier]
    maintenance = required + basis * fee + terms.fixed_fee[row]
    basis = terms.entry_notional[row] if terms.initial_on_entry[row] else notional
    initial = basis / terms.leverage[row] + terms.initial_fee[row]
    total = (pnl + maintenance + initial + notional) * settle_price
    unpriced = given.table[market] < 0 or not np.isfinite(total)
    if unpriced:
        notional = pnl = initial = maintenance = np.nan
    found.mark[row], found.notional[row], found.unrealised_pnl[row] = mark, notional, pnl
    found.initial_margin[row], found.maintenance_margin[row] = initial, maintenance
    found.settle_price[row], found.unpriced[row] = settle_price, unpriced
    found.tier[row] = table * given.floor.shape[1] + tier


@inlined
def holding_worth(given: Given, row: int, factor: float = 1.0) -> float:
    """Return what a balance counts for in its pool's money; NaN where its price is unknown.

    `factor`: its price is so many times what it is.
    """
    amount: float = given.amount[row]
    if not given.multi[given.holder[row]]:
        return amount
    weight = given.weight[row] if amount > 0.0 else 1.0
    price = _first(given.asset_price[given.asset[row]], given.price[row])
    return amount * (price * factor) * weight


@inlined
def notional_at(linear: bool, size: float, price: float) -> float:
    """Return the notional at a price: linear in quote, inverse in coin."""
    return abs(size) * price if linear else abs(size) / price


@inlined
def pnl_at(linear: bool, size: float, entry_price: float, price: float) -> float:
    """Return the PnL at a price, from the difference of prices (never of two large notionals)."""
    moved = size * (price - entry_price)
    return moved if linear else moved / entry_price / price


@inlined
def _first(value: float, otherwise: float) -> float:
    return otherwise if np.isnan(value) else value


@inlined
def _floored(value: float) -> float:
    return 0.0 if value < 0.0 else value


@inlined
def _tier(given: Given, row: int, basis: float) -> int:
    """Return the tier of a leg: floors count contracts held, or the basis notional."""
    table = max(given.table[given.market[row]], 0)
    size = abs(given.contracts[row]) if given.by_contracts[table] else basis
    return tier_of(given.floor, table, size)


@inlined
def _leverage(given: Given, row: int, entry_notional: float) -> float:
    """Fill in what a position does not say by its tier at entry, so that no mark moves it."""
    table = max(given.table[given.market[row]], 0)
    most = given.max_leverage[table, _tier(given, row, entry_notional)]
    return _first(given.leverage[row], _first(most, 1.0))
