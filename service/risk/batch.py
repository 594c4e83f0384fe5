"""From account records to columns: which pools an account has, and which rows stand in them.

Pools come cross first by settle asset, then isolated by (symbol, side). In single mode an account
has a cross pool per settle asset that holds a cross position or a balance that is not 0; in multi
mode one in USD. An account with nothing has no pools.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from service.risk.columns import Batch, Holdings, Legs, Pools
from service.risk.markets import MarketTable, settle_of
from service.risk.model import USD, Account, PoolKey, Position
from service.risk.venues import rule_index

_NAN = float("nan")


@dataclass(slots=True)
class LegRows:
    """The legs of some accounts as lists, named like `columns.Legs`; `position` counts within the account."""

    pool: list[int] = field(default_factory=list)
    market: list[int] = field(default_factory=list)
    contracts: list[float] = field(default_factory=list)
    contract_size: list[float] = field(default_factory=list)
    entry_price: list[float] = field(default_factory=list)
    leverage: list[float] = field(default_factory=list)
    margin: list[float] = field(default_factory=list)
    mark: list[float] = field(default_factory=list)


@dataclass(slots=True)
class HoldingRows:
    """Balances behind cross pools as lists, named like `columns.Holdings`."""

    pool: list[int] = field(default_factory=list)
    asset: list[int] = field(default_factory=list)
    amount: list[float] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    price: list[float] = field(default_factory=list)


@dataclass(slots=True)
class AccountRows:
    """One account taken apart; pool indices count from 0 within the account, legs keep its order."""

    rule: int
    multi: bool
    keys: list[PoolKey]
    settle: list[int]  # asset, one a pool
    legs: LegRows
    holdings: HoldingRows


def account_rows(account: Account, table: MarketTable) -> AccountRows:
    """Take an account apart, registering its markets and assets; raises UnknownVenue.

    Legs are in the order of `account.positions`, one each.
    """
    rule, venue = rule_index(account.venue), account.venue
    markets = [table.market(venue, position.symbol) for position in account.positions]
    names = [
        _pool_of(account, p, m, table) for p, m in zip(account.positions, markets, strict=True)
    ]
    balances = [balance for balance in account.balances if balance.amount != 0.0]
    multi = account.collateral_mode == "multi"
    backed = [PoolKey("cross", USD if multi else balance.asset) for balance in balances]
    keys = sorted(
        {*names, *backed},
        key=lambda key: (key.kind, key.settle if key.kind == "cross" else "", key.symbol, key.side),
    )
    place = {key: index for index, key in enumerate(keys)}
    legs, holdings = LegRows(), HoldingRows()
    for position, market, name in zip(account.positions, markets, names, strict=True):
        _append_leg(legs, place[name], market, position)
    for balance, name in zip(balances, backed, strict=True):
        holdings.pool.append(place[name])
        holdings.asset.append(table.asset(venue, balance.asset))
        holdings.amount.append(balance.amount)
        holdings.weight.append(balance.weight)
        holdings.price.append(_NAN if balance.price is None else balance.price)
    settle = [table.asset(venue, key.settle) for key in keys]
    if multi:
        for market in markets:
            table.asset(venue, table.asset_name(int(table.columns().settle[market])))
    return AccountRows(rule, multi, keys, settle, legs, holdings)


def _pool_of(account: Account, position: Position, market: int, table: MarketTable) -> PoolKey:
    instrument = table.instrument(market)
    settle = instrument.settle if instrument else settle_of(position.symbol)
    if position.isolated:
        return PoolKey("isolated", settle, position.symbol, position.side)
    return PoolKey("cross", USD if account.collateral_mode == "multi" else settle)


def _append_leg(legs: LegRows, pool: int, market: int, position: Position) -> None:
    legs.pool.append(pool)
    legs.market.append(market)
    legs.contracts.append(position.contracts)
    legs.contract_size.append(_NAN if position.contract_size is None else position.contract_size)
    legs.entry_price.append(position.entry_price)
    legs.leverage.append(_NAN if position.leverage is None else position.leverage)
    legs.margin.append(_NAN if position.margin is None else position.margin)
    legs.mark.append(_NAN if position.mark_price is None else position.mark_price)


def build_batch(
    accounts: Sequence[Account], table: MarketTable
) -> tuple[Batch, list[list[PoolKey]]]:
    """Return the columns of some accounts and the names of each account's pools.

    Pools, legs and holdings stand in the order of the accounts; an account's legs in the order of
    its positions. The batch sees the table as it is now.
    """
    parts = [account_rows(account, table) for account in accounts]
    counts = np.array([len(part.keys) for part in parts], dtype=np.int64)
    first = (np.cumsum(counts) - counts).tolist()
    legs, holdings = LegRows(), HoldingRows()
    for part, offset in zip(parts, first, strict=True):
        _extend(legs, part.legs, offset)
        _extend(holdings, part.holdings, offset)
    batch = Batch(
        markets=table.columns(),
        tables=table.tables(),
        asset_price=table.asset_prices(),
        pools=_pool_columns(accounts, parts, counts),
        legs=_leg_columns(legs),
        holdings=_holding_columns(holdings),
    )
    return batch, [part.keys for part in parts]


def _extend(rows: LegRows | HoldingRows, part: LegRows | HoldingRows, offset: int) -> None:
    rows.pool.extend([pool + offset for pool in part.pool])
    for column in fields(rows)[1:]:
        getattr(rows, column.name).extend(getattr(part, column.name))


def _pool_columns(
    accounts: Sequence[Account], parts: list[AccountRows], counts: np.ndarray
) -> Pools:
    account = np.repeat(np.arange(len(parts), dtype=np.int64), counts)
    keys = [key for part in parts for key in part.keys]
    lines = [account.thresholds for account in accounts]
    multi = np.array([part.multi for part in parts], dtype=np.bool_)[account]
    isolated = np.array([key.kind == "isolated" for key in keys], dtype=np.bool_)
    return Pools(
        account=account,
        rule=np.array([part.rule for part in parts], dtype=np.int64)[account],
        isolated=isolated,
        multi=multi & ~isolated,
        settle=np.array([asset for part in parts for asset in part.settle], dtype=np.int64),
        warning=np.array([line.warning for line in lines], dtype=np.float64)[account],
        margin_call=np.array([line.margin_call for line in lines], dtype=np.float64)[account],
        hysteresis=np.array([line.hysteresis for line in lines], dtype=np.float64)[account],
        ease_after_ms=np.array([line.ease_after_ms for line in lines], dtype=np.int64)[account],
    )


def _leg_columns(rows: LegRows) -> Legs:
    return Legs(
        pool=np.array(rows.pool, dtype=np.int64),
        market=np.array(rows.market, dtype=np.int64),
        contracts=np.array(rows.contracts, dtype=np.float64),
        contract_size=np.array(rows.contract_size, dtype=np.float64),
        entry_price=np.array(rows.entry_price, dtype=np.float64),
        leverage=np.array(rows.leverage, dtype=np.float64),
        margin=np.array(rows.margin, dtype=np.float64),
        mark=np.array(rows.mark, dtype=np.float64),
    )


def _holding_columns(rows: HoldingRows) -> Holdings:
    return Holdings(
        pool=np.array(rows.pool, dtype=np.int64),
        asset=np.array(rows.asset, dtype=np.int64),
        amount=np.array(rows.amount, dtype=np.float64),
        weight=np.array(rows.weight, dtype=np.float64),
        price=np.array(rows.price, dtype=np.float64),
    )
