"""Notional, PnL, requirements and equity over columns: what other figures are made of.

A leg's money is in its market's settle asset. A pool's is in the pool's settle asset; in multi mode
that is USD and a leg's money is multiplied by its settle asset's price first. What misses a mark,
an instrument or a price is NaN and flagged unpriced, never 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.risk.columns import Batch, Bools, Floats, Ints, sums_by
from service.risk.tiers import maintenance, rebate_rate, size_in_tier, tier_at
from service.risk.venues import RULE_COLUMNS, ways


@dataclass(slots=True)
class LegTerms:
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


@dataclass(slots=True)
class LegFigures:
    """Every figure of a leg at its mark; NaN where it is unpriced (sizes and terms stay known)."""

    mark: Floats
    size: Floats
    notional: Floats
    unrealised_pnl: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin: Floats
    settle_price: Floats  # USD in multi pools, else 1
    leverage: Floats
    tier: Ints  # flat index into the tables
    unpriced: Bools


@dataclass(slots=True)
class PoolFigures:
    """Every figure of a pool; money and ratio are NaN where it is unpriced."""

    wallet: Floats
    unrealised_pnl: Floats
    equity: Floats
    initial_margin: Floats
    maintenance_margin: Floats
    margin_ratio: Floats  # NaN where equity <= 0
    level: NDArray[np.int8]  # by the table alone: no hysteresis, no staleness
    open: Bools  # it has a position
    unpriced: Bools
    stale: Bools  # a mark it goes by is stale


@dataclass(slots=True)
class Assessment:
    """The outcome of one pass over a batch."""

    pools: PoolFigures
    legs: LegFigures
    terms: LegTerms


def leg_terms(batch: Batch) -> LegTerms:
    """Return what is fixed about each leg; a missing instrument leaves NaN."""
    legs, markets, rules = batch.legs, batch.markets, RULE_COLUMNS
    rule, isolated = batch.pools.rule[legs.pool], batch.pools.isolated[legs.pool]
    way = ways(isolated, rule)
    linear = markets.linear[legs.market]
    size = legs.contracts * _given(legs.contract_size, markets.contract_size[legs.market])
    magnitude = np.abs(size)
    entry_notional = np.where(linear, magnitude * legs.entry_price, magnitude / legs.entry_price)
    leverage = _leverage(batch, entry_notional)
    fee = _given(markets.taker_fee[legs.market], rules.default_fee[rule])
    at_bankruptcy = rules.fee_at_bankruptcy.reshape(-1)[way]
    on_cost = rules.fee_on_cost.reshape(-1)[way]
    # At the bankruptcy price the notional is less by the margin: linear longs, inverse shorts.
    less = np.where((linear == (size > 0.0)) & ~on_cost, -1.0, 1.0)
    margin = entry_notional / leverage
    closing_fee = fee * np.maximum(0.0, entry_notional + less * margin)
    initial_fee = closing_fee * rules.initial_fee[rule]
    initial = margin + initial_fee
    # A given margin has the fee in: notional = entry notional -+ (margin - fee x notional).
    share = 1.0 + less * fee
    own = isolated & at_bankruptcy & ~np.isnan(legs.margin) & (share > 0.0)
    if own.any():
        left = np.maximum(0.0, entry_notional + less * legs.margin) / np.where(own, share, 1.0)
        closing_fee = np.where(own, fee * left, closing_fee)
    counted = rules.bankruptcy_fee.reshape(-1)[way]
    return LegTerms(
        linear=linear,
        size=size,
        entry_notional=entry_notional,
        leverage=leverage,
        initial_fee=initial_fee,
        initial_on_entry=rules.initial_on_entry.reshape(-1)[way],
        fee_rate=fee * rules.fee_on_notional.reshape(-1)[way],
        bankruptcy_fee_rate=fee * (counted & ~on_cost),
        bankruptcy_fee=closing_fee * (counted & on_cost),
        on_entry=rules.on_entry.reshape(-1)[way],
        fixed_fee=closing_fee * (at_bankruptcy | on_cost),
        margin=np.where(isolated, _given(legs.margin, initial), 0.0),
    )


def _given(values: Floats, otherwise: Floats) -> Floats:
    return np.where(np.isnan(values), otherwise, values)


def _leverage(batch: Batch, entry_notional: Floats) -> Floats:
    """Fill in what a position does not say by its tier at entry, so that no mark moves it."""
    leverage = batch.legs.leverage
    missing = np.flatnonzero(np.isnan(leverage))
    if not len(missing):
        return leverage
    table = np.maximum(batch.markets.table[batch.legs.market[missing]], 0)
    contracts = batch.legs.contracts[missing]
    size = size_in_tier(batch.tables, table, contracts, entry_notional[missing])
    most = batch.tables.max_leverage.reshape(-1)[tier_at(batch.tables, table, size)]
    filled = leverage.copy()
    filled[missing] = np.where(np.isnan(most), 1.0, most)
    return filled


def notional_at(terms: LegTerms, price: Floats) -> Floats:
    """Return the notional at a price: linear in quote, inverse in coin."""
    magnitude = np.abs(terms.size)
    return np.where(terms.linear, magnitude * price, magnitude / price)


def pnl_at(terms: LegTerms, entry_price: Floats, price: Floats) -> Floats:
    """Return the PnL at a price, from the difference of prices (never of two large notionals)."""
    moved = terms.size * (price - entry_price)
    return np.where(terms.linear, moved, moved / entry_price / price)


def requirement(
    batch: Batch, terms: LegTerms, table: Ints, notional: Floats
) -> tuple[Floats, Ints]:
    """Return maintenance margin with its fees, and the flat tier index, at a notional each leg."""
    basis = np.where(terms.on_entry, terms.entry_notional, notional)
    size = size_in_tier(batch.tables, table, batch.legs.contracts, basis)
    tier = tier_at(batch.tables, table, size)
    rate = terms.fee_rate - rebate_rate(batch.tables, tier, batch.legs.contracts)
    margin = maintenance(batch.tables, tier, basis) + basis * rate + terms.fixed_fee
    return margin, tier


def leg_figures(batch: Batch, terms: LegTerms) -> LegFigures:
    """Return every leg's figures at its own mark, else its market's."""
    legs, markets = batch.legs, batch.markets
    mark = _given(legs.mark, markets.mark[legs.market])
    notional = notional_at(terms, mark)
    pnl = pnl_at(terms, legs.entry_price, mark)
    table = markets.table[legs.market]
    margin, tier = requirement(batch, terms, np.maximum(table, 0), notional)
    basis = np.where(terms.initial_on_entry, terms.entry_notional, notional)
    initial = basis / terms.leverage + terms.initial_fee
    settle_price = _settle_price(batch)
    total = (pnl + margin + initial + notional) * settle_price
    unpriced = (table < 0) | ~np.isfinite(total)
    if unpriced.any():
        for figure in (notional, pnl, margin, initial):
            figure[unpriced] = np.nan
    return LegFigures(
        mark=mark,
        size=terms.size,
        notional=notional,
        unrealised_pnl=pnl,
        initial_margin=initial,
        maintenance_margin=margin,
        margin=terms.margin,
        settle_price=settle_price,
        leverage=terms.leverage,
        tier=tier,
        unpriced=unpriced,
    )


def _settle_price(batch: Batch) -> Floats:
    """What a unit of each leg's settle asset is in its pool's money; NaN where nobody says."""
    multi = batch.pools.multi[batch.legs.pool]
    if not multi.any():
        return np.ones(len(multi))
    asset = batch.markets.settle[batch.legs.market]
    price = batch.asset_price[asset]
    if np.isnan(price[multi]).any():
        price = _given(price, _own_price(batch, batch.legs.pool, asset))
    return np.where(multi, price, 1.0)


def _own_price(batch: Batch, pool: Ints, asset: Ints) -> Floats:
    """The price that a pool's own balance gives for an asset; NaN where it gives none."""
    holdings, assets = batch.holdings, len(batch.asset_price)
    given = np.flatnonzero(~np.isnan(holdings.price))
    price = np.full(len(pool), np.nan)
    if len(given):
        name = holdings.pool[given] * assets + holdings.asset[given]
        order = np.argsort(name)
        wanted = pool * assets + asset
        at = order[np.minimum(np.searchsorted(name, wanted, sorter=order), len(order) - 1)]
        price = np.where(name[at] == wanted, holdings.price[given[at]], np.nan)
    return price


def holding_values(batch: Batch) -> Floats:
    """Return what each balance counts for in its pool's money; NaN where its price is unknown."""
    holdings = batch.holdings
    if not batch.pools.multi.any():
        return holdings.amount
    price = batch.asset_price[holdings.asset]
    price = _given(price, holdings.price)
    weight = np.where(holdings.amount > 0.0, holdings.weight, 1.0)
    multi = batch.pools.multi[holdings.pool]
    return np.where(multi, holdings.amount * price * weight, holdings.amount)


def pool_sums(batch: Batch, legs: LegFigures) -> tuple[Floats, Floats, Floats, Floats]:
    """Return wallet, unrealised PnL, initial and maintenance margin of every pool."""
    rows, pool = len(batch.pools.rule), batch.legs.pool
    wallet = sums_by(batch.holdings.pool, holding_values(batch), rows)
    wallet += sums_by(pool, legs.margin, rows)
    price = legs.settle_price
    return (
        wallet,
        sums_by(pool, legs.unrealised_pnl * price, rows),
        sums_by(pool, legs.initial_margin * price, rows),
        sums_by(pool, legs.maintenance_margin * price, rows),
    )


def margin_ratio(maintenance_margin: Floats, equity: Floats) -> Floats:
    """Return maintenance over equity, 1 at the liquidation line; NaN where equity <= 0."""
    ratio = np.full_like(equity, np.nan)
    np.divide(maintenance_margin, equity, out=ratio, where=equity > 0.0)
    return ratio
