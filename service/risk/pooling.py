"""Which pools accounts have, and which of them each position and each balance is in.

A pool is a number of several digits, such that pools sort as their numbers do.
"""

from typing import NamedTuple

import numpy as np

from service.risk.columns import Bools, Floats, Ints
from service.risk.compiled import Direct, compiled


class Digits(NamedTuple):
    """How a pool is one number: account, kind, settle or symbol, side, settle of an isolated one.

    `names` is the base of the third digit, `money` of the last, `usd` the settle of multi mode.
    """

    names: int
    money: int
    usd: int


class Told(NamedTuple):
    """What says which pools there are: of accounts, of positions, of balances."""

    positions: Ints
    balances: Ints
    multi: Bools
    isolated: Bools
    contracts: Floats
    amount: Floats
    price: Floats


class Rows(NamedTuple):
    """Whose each position is, and each balance that counts; of these its row too."""

    owner: Ints
    holder: Ints
    held: Ints


class Named(NamedTuple):
    """The places of names among all of them in order: of positions, of balances that count."""

    symbol: Ints
    settle: Ints
    asset: Ints


class Pooled(NamedTuple):
    """Pools in order, and that of each position and each balance that counts."""

    account: Ints
    isolated: Bools
    settle: Ints
    pool: Ints


def owned(told: Told) -> Rows:
    """Return whose the rows are."""
    owner = np.empty(len(told.contracts), np.int64)
    holder, held = np.empty((2, len(told.amount)), np.int64)
    count = _find_owners(told, Rows(owner, holder, held))
    return Rows(owner, holder[:count], held[:count])


def _owners(told: Told, rows: Rows) -> int:
    """Write whose the rows are; return how many balances count."""
    position = balance = count = 0
    for account in range(len(told.positions)):
        rows.owner[position : position + told.positions[account]] = account
        position += told.positions[account]
        for row in range(balance, balance + told.balances[account]):
            # Nothing of an asset is no balance, but in multi mode its price may serve positions.
            priced = told.multi[account] and not np.isnan(told.price[row])
            if told.amount[row] != 0.0 or priced:
                rows.holder[count], rows.held[count] = account, row
                count += 1
        balance += told.balances[account]
    return count


def pools_of(told: Told, rows: Rows, named: Named, digits: Digits) -> Pooled:
    """Return the pools that there are."""
    assert len(told.positions) * 4 * digits.names * digits.money < 2**63
    numbers = np.empty(len(rows.owner) + len(rows.holder), np.int64)
    _find_numbers(told, rows, named, digits, numbers)
    account, settle, pool = np.empty((3, len(numbers)), np.int64)
    found = Pooled(account, np.empty(len(numbers), np.bool_), settle, pool)
    count = _find_pools(numbers, numbers.argsort(kind="stable"), digits, found)
    return Pooled(account[:count], found.isolated[:count], settle[:count], pool)


def _pool_numbers(told: Told, rows: Rows, named: Named, digits: Digits, numbers: Ints) -> None:
    """Write the number of the pool that each position is in, then each balance."""
    names, money, legs = digits.names, digits.money, len(rows.owner)
    for row in range(legs):
        account, settle = rows.owner[row], named.settle[row]
        if told.isolated[row]:
            number = (account * 2 + 1) * names + named.symbol[row]
            numbers[row] = (number * 2 + (told.contracts[row] < 0.0)) * money + settle
        else:
            name = digits.usd if told.multi[account] else settle
            numbers[row] = (account * 2 * names + name) * 2 * money
    for row in range(len(rows.holder)):
        account = rows.holder[row]
        name = digits.usd if told.multi[account] else named.asset[row]
        numbers[legs + row] = (account * 2 * names + name) * 2 * money


def _sorted_pools(numbers: Ints, order: Ints, digits: Digits, found: Pooled) -> int:
    """Write the pools in order; return how many there are."""
    count, last = 0, -1
    for row in order:
        number = numbers[row]
        if number != last:
            rest, settle = number // digits.money // 2, number % digits.money
            whose, name = rest // digits.names, rest % digits.names
            found.account[count], found.isolated[count] = whose // 2, whose % 2 == 1
            found.settle[count] = settle if whose % 2 else name
            count, last = count + 1, number
        found.pool[row] = count - 1
    return count


_find_owners = Direct(compiled(_owners))
_find_numbers = Direct(compiled(_pool_numbers))
_find_pools = Direct(compiled(_sorted_pools))
