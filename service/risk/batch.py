"""From account records to columns: which pools an account has, and which rows stand in them.

Pools come cross first by settle asset, then isolated by (symbol, side). In single mode an account
has a cross pool per settle asset that holds a cross position or a balance that is not 0; in multi
mode one in USD. An account with nothing has no pools.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from service.risk.columns import Batch, Floats, Holdings, Ints, Legs, Pools
from service.risk.markets import MarketTable
from service.risk.model import USD, Account, Balance, PoolKey, Position
from service.risk.venues import rule_index

_CROSS, _ISOLATED = 0, 1
# Sorts as pools do: (cross, settle, "", "") or (isolated, symbol, side, settle).
_Name = tuple[int, str, str, str]


@dataclass(slots=True)
class AccountRows:
    """One account taken apart; pools count from 0 within it, its positions keep their order."""

    rule: int
    multi: bool
    keys: list[PoolKey]
    settle: list[int]  # asset, one a pool
    position_pool: list[int]
    position_market: list[int]
    balances: list[Balance]  # those that are not 0
    balance_pool: list[int]
    balance_asset: list[int]


def account_rows(account: Account, table: MarketTable) -> AccountRows:
    """Take an account apart, registering its markets and assets; raises UnknownVenue."""
    rule, venue = rule_index(account.venue), account.venue
    multi = account.collateral_mode == "multi"
    markets = [table.market(venue, position.symbol) for position in account.positions]
    settles = [table.settle_name(market) for market in markets]
    names = [
        _name(position, settle, multi)
        for position, settle in zip(account.positions, settles, strict=True)
    ]
    balances = [balance for balance in account.balances if _counts(balance, multi)]
    backed: list[_Name] = [(_CROSS, USD if multi else row.asset, "", "") for row in balances]
    ordered = sorted({*names, *backed})
    place = {name: index for index, name in enumerate(ordered)}
    keys = [_key(name) for name in ordered]
    for settle in settles if multi else ():
        table.asset(venue, settle)
    return AccountRows(
        rule=rule,
        multi=multi,
        keys=keys,
        settle=[table.asset(venue, key.settle) for key in keys],
        position_pool=[place[name] for name in names],
        position_market=markets,
        balances=balances,
        balance_pool=[place[name] for name in backed],
        balance_asset=[table.asset(venue, balance.asset) for balance in balances],
    )


def _counts(balance: Balance, multi: bool) -> bool:
    """Nothing of an asset is no balance, but in multi mode its price may serve positions."""
    return balance.amount != 0.0 or (multi and balance.price is not None)


def _name(position: Position, settle: str, multi: bool) -> _Name:
    if position.isolated:
        return _ISOLATED, position.symbol, position.side, settle
    return _CROSS, USD if multi else settle, "", ""


def _key(name: _Name) -> PoolKey:
    if name[0] == _CROSS:
        return PoolKey("cross", name[1])
    return PoolKey("isolated", name[3], name[1], name[2])


def build_batch(
    accounts: Sequence[Account], table: MarketTable
) -> tuple[Batch, list[list[PoolKey]]]:
    """Return the columns of some accounts and the names of each account's pools.

    Pools, legs and holdings stand in the order of the accounts; an account's legs in the order of
    its positions. The batch sees the table as it is now.
    """
    parts = [account_rows(account, table) for account in accounts]
    counts = np.array([len(part.keys) for part in parts], dtype=np.int64)
    first = np.cumsum(counts) - counts
    batch = Batch(
        markets=table.columns(),
        tables=table.tables(),
        asset_price=table.asset_prices(),
        pools=_pool_columns(accounts, parts, counts),
        legs=_leg_columns(accounts, parts, first),
        holdings=_holding_columns(parts, first),
    )
    return batch, [part.keys for part in parts]


def _pool_columns(accounts: Sequence[Account], parts: list[AccountRows], counts: Ints) -> Pools:
    account = np.repeat(np.arange(len(parts), dtype=np.int64), counts)
    kinds = [key.kind == "isolated" for part in parts for key in part.keys]
    lines = [account.thresholds for account in accounts]
    multi = np.array([part.multi for part in parts], dtype=np.bool_)[account]
    isolated = np.array(kinds, dtype=np.bool_)
    return Pools(
        account=account,
        rule=_ints(part.rule for part in parts)[account],
        isolated=isolated,
        multi=multi & ~isolated,
        settle=_ints(asset for part in parts for asset in part.settle),
        warning=_floats([line.warning for line in lines])[account],
        margin_call=_floats([line.margin_call for line in lines])[account],
        hysteresis=_floats([line.hysteresis for line in lines])[account],
        ease_after_ms=_ints(line.ease_after_ms for line in lines)[account],
    )


def _leg_columns(accounts: Sequence[Account], parts: list[AccountRows], first: Ints) -> Legs:
    positions = [position for account in accounts for position in account.positions]
    counts = [len(account.positions) for account in accounts]
    pool = _ints(chain.from_iterable(part.position_pool for part in parts))
    return Legs(
        pool=pool + np.repeat(first, counts),
        market=_ints(chain.from_iterable(part.position_market for part in parts)),
        contracts=_floats([position.contracts for position in positions]),
        contract_size=_floats([position.contract_size for position in positions]),
        entry_price=_floats([position.entry_price for position in positions]),
        leverage=_floats([position.leverage for position in positions]),
        margin=_floats([position.margin for position in positions]),
        mark=_floats([position.mark_price for position in positions]),
    )


def _holding_columns(parts: list[AccountRows], first: Ints) -> Holdings:
    balances = [balance for part in parts for balance in part.balances]
    counts = [len(part.balances) for part in parts]
    pool = _ints(chain.from_iterable(part.balance_pool for part in parts))
    return Holdings(
        pool=pool + np.repeat(first, counts),
        asset=_ints(chain.from_iterable(part.balance_asset for part in parts)),
        amount=_floats([balance.amount for balance in balances]),
        weight=_floats([balance.weight for balance in balances]),
        price=_floats([balance.price for balance in balances]),
    )


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _floats(values: list[float] | list[float | None]) -> Floats:
    """Return a column; None becomes NaN: not given."""
    return np.array(values, dtype=np.float64)
