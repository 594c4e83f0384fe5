"""From accounts as they are told to columns: which pools there are, and which rows stand in them.

Pools come cross first by settle asset, then isolated by (symbol, side). In single mode an account
has a cross pool per settle asset that holds a cross position or a balance that is not 0; in multi
mode one in USD. An account with nothing has no pools.

Names become numbers once a batch, however long it is; so do pools (see `pooling`).
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from service.risk.columns import (
    Batch,
    Bools,
    Floats,
    Holdings,
    Ints,
    Legs,
    Pools,
    Statements,
    Words,
)
from service.risk.compiled import Direct, compiled
from service.risk.markets import MarketTable
from service.risk.model import USD, Account, PoolKey
from service.risk.pooling import Digits, Named, Told, owned, pools_of
from service.risk.venues import RULES, rule_index

_VENUES = tuple(RULES)
_FEW = 48  # rows that are told apart sooner by the interpreter than by a call of compiled code


def statements_of(accounts: Sequence[Account]) -> Statements:
    """Return records as columns."""
    positions = [position for account in accounts for position in account.positions]
    balances = [balance for account in accounts for balance in account.balances]
    lines = [account.thresholds for account in accounts]
    return Statements(
        venue=[account.venue for account in accounts],
        multi=_bools(account.collateral_mode == "multi" for account in accounts),
        warning=_floats([line.warning for line in lines]),
        margin_call=_floats([line.margin_call for line in lines]),
        hysteresis=_floats([line.hysteresis for line in lines]),
        ease_after_ms=_ints(line.ease_after_ms for line in lines),
        repeat_every_ms=_ints(line.repeat_every_ms for line in lines),
        repeat_until_acknowledged=_bools(line.repeat_until_acknowledged for line in lines),
        positions=_ints(len(account.positions) for account in accounts),
        balances=_ints(len(account.balances) for account in accounts),
        symbol=Words.of([position.symbol for position in positions]),
        isolated=_bools(position.isolated for position in positions),
        contracts=_floats([position.contracts for position in positions]),
        contract_size=_floats([position.contract_size for position in positions]),
        entry_price=_floats([position.entry_price for position in positions]),
        leverage=_floats([position.leverage for position in positions]),
        margin=_floats([position.margin for position in positions]),
        mark=_floats([position.mark_price for position in positions]),
        asset=Words.of([balance.asset for balance in balances]),
        amount=_floats([balance.amount for balance in balances]),
        weight=_floats([balance.weight for balance in balances]),
        price=_floats([balance.price for balance in balances]),
    )


def build_batch(
    accounts: Sequence[Account], table: MarketTable
) -> tuple[Batch, list[list[PoolKey]]]:
    """Return the columns of some accounts and the names of each account's pools."""
    batch = batch_of(statements_of(accounts), table)
    keys = pool_keys(batch, table)
    ends = np.cumsum(np.bincount(batch.pools.account, minlength=len(accounts))).tolist()
    return batch, [keys[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def pool_keys(batch: Batch, table: MarketTable) -> list[PoolKey]:
    """Return the names of a batch's pools."""
    legs = batch.legs
    leg_of = dict(zip(legs.pool.tolist(), range(len(legs.pool)), strict=True))
    keys = []
    for pool, asset in enumerate(batch.pools.settle.tolist()):
        settle = table.asset_name(asset)
        if not batch.pools.isolated[pool]:
            keys.append(PoolKey("cross", settle))
            continue
        leg = leg_of[pool]
        market, is_long = int(legs.market[leg]), bool(legs.contracts[leg] > 0.0)
        keys.append(table.isolated_key(settle, market, is_long))
    return keys


def batch_of(given: Statements, table: MarketTable) -> Batch:
    """Return the columns of some accounts, registering their markets and assets.

    Pools, legs and holdings stand in the order of the accounts, an account's legs in the order of
    its positions. The batch sees the table as it is now. Raises UnknownVenue.
    """
    rule, symbols, legs = _rules(given.venue), given.symbol, len(given.contracts)
    told = Told(
        given.positions,
        given.balances,
        given.multi,
        given.isolated,
        given.contracts,
        given.amount,
        given.price,
    )
    rows = owned(told)
    owner, holder, held = rows
    assets, market = given.asset.only(held), _numbered(rule[owner], symbols, table.market)
    settles = _settles(market, table)
    if np.count_nonzero(given.multi):
        in_multi = np.flatnonzero(given.multi[owner])
        # It is priced from now on.
        _numbered(rule[owner[in_multi]], settles.only(in_multi), table.asset)

    money = sorted({USD, *settles.words, *assets.words})
    named = Named(symbols.ranks(sorted(symbols.words)), settles.ranks(money), assets.ranks(money))
    digits = Digits(max(len(symbols.words), len(money)), len(money), money.index(USD))
    account, isolated, settle, pool = pools_of(told, rows, named, digits)
    columns = (
        _pool_columns(
            given,
            account,
            isolated,
            rule[account],
            _numbered(rule[account], Words(money, settle), table.asset),
        ),
        _leg_columns(given, pool[:legs], market),
        Holdings(
            pool[legs:],
            _numbered(rule[holder], assets, table.asset),
            given.amount[held],
            given.weight[held],
            given.price[held],
        ),
    )
    return Batch(table.columns(), table.tables(), table.asset_prices(), *columns)


def _pool_columns(
    given: Statements, account: Ints, isolated: Bools, rule: Ints, settle: Ints
) -> Pools:
    return Pools(
        account=account,
        rule=rule,
        isolated=isolated,
        multi=given.multi[account] & ~isolated,
        settle=settle,
        warning=given.warning[account],
        margin_call=given.margin_call[account],
        hysteresis=given.hysteresis[account],
        ease_after_ms=given.ease_after_ms[account],
        repeat_every_ms=given.repeat_every_ms[account],
        repeat_until_acknowledged=given.repeat_until_acknowledged[account],
    )


def _leg_columns(given: Statements, pool: Ints, market: Ints) -> Legs:
    return Legs(
        pool=pool,
        market=market,
        contracts=given.contracts,
        contract_size=given.contract_size,
        entry_price=given.entry_price,
        leverage=given.leverage,
        margin=given.margin,
        mark=given.mark,
    )


def distinct(numbers: Ints, least: int = 0) -> Words[int]:
    """Return a column of numbers, none below the least and none large, as words."""
    if len(numbers) <= _FEW:
        return Words.of(numbers.tolist())
    code, found = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
    places = np.zeros(1 + _find_largest(numbers) - least, np.int64)
    count = _find_distinct(numbers, least, places, code, found)
    return Words(found[:count].tolist(), code)


def _largest_number(numbers: Ints) -> int:
    """Return the largest of some numbers; there is one."""
    largest: int = numbers[0]
    for number in numbers:
        largest = max(largest, number)
    return largest


def _distinct_numbers(numbers: Ints, least: int, places: Ints, code: Ints, found: Ints) -> int:
    """List different numbers as they come; `places` is 0 for each, from the least one on."""
    count = 0
    for row in range(len(numbers)):
        place = numbers[row] - least
        if not places[place]:
            found[count] = numbers[row]
            count += 1
            places[place] = count
        code[row] = places[place] - 1
    return count


def warm_up_distinct() -> None:
    """Have it compiled, or read from where it was kept: batches of few rows do without it."""
    distinct(np.zeros(_FEW + 1, np.int64))


_find_largest = Direct(compiled(_largest_number))
_find_distinct = Direct(compiled(_distinct_numbers))


def _rules(venues: Sequence[str]) -> Ints:
    if venues and venues.count(venues[0]) == len(venues):
        return np.full(len(venues), rule_index(venues[0]), np.int64)
    known = {venue: rule_index(venue) for venue in set(venues)}
    return _ints(map(known.__getitem__, venues))


def _settles(market: Ints, table: MarketTable) -> Words[str]:
    """Return the settle assets of some markets by name."""
    settle = table.columns().settle[market]
    if len(market) <= _FEW:
        return Words.of([table.asset_name(each) for each in settle.tolist()])
    assets = distinct(settle)
    names = Words.of([table.asset_name(each) for each in assets.words])
    return names.only(assets.code)


def _numbered(rule: Ints, names: Words[str], number_of: Callable[[str, str], int]) -> Ints:
    """Return the table's number of each (venue, name); new ones are registered in their order."""
    if len(rule) <= _FEW:
        pairs_of = zip(rule.tolist(), names.code.tolist(), strict=True)
        found = [number_of(_VENUES[venue], names.words[name]) for venue, name in pairs_of]
        return np.array(found, np.int64)
    many = max(len(names.words), 1)
    pairs = distinct(rule * many + names.code)
    numbers = [number_of(_VENUES[pair // many], names.words[pair % many]) for pair in pairs.words]
    return np.array(numbers, np.int64)[pairs.code]


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def _bools(values: Iterable[bool]) -> Bools:
    return np.fromiter(values, dtype=np.bool_)


def _floats(values: list[float] | list[float | None]) -> Floats:
    """Return a column; None becomes NaN: not given."""
    return np.array(values, dtype=np.float64)
