"""The book: whatever was put in, taken out and moved, its columns say what the accounts are."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.risk.batch import batch_of, build_batch, pool_keys
from service.risk.book import Book
from service.risk.columns import Holdings, Legs
from service.risk.evaluate import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Mark, PoolKey, Position, Tier
from tests.agreement import table_of
from tests.reference.world import World
from tests.strategies import SYMBOLS, accounts, effort, worlds

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@st.composite
def histories(draw: st.DrawFn) -> tuple[World, list[tuple[str, Account | None]]]:
    """A world, and accounts put and removed (None) one after another; "" compacts."""
    world = draw(worlds("binance", SYMBOLS))
    steps: list[tuple[str, Account | None]] = []
    for _ in range(draw(st.integers(1, 12))):
        key = draw(st.sampled_from(("a", "b", "c", "")))
        gone = key == "" or draw(st.integers(0, 3)) == 0
        steps.append((key, None if gone else draw(accounts(world, "binance", account_key=key))))
    return world, steps


@given(histories())
@effort(30, 1_000)
def test_the_book_is_the_accounts_that_were_put_last(
    history: tuple[World, list[tuple[str, Account | None]]],
) -> None:
    world, steps = history
    book = Book(table_of(world))
    held: dict[str, Account] = {}
    for key, account in steps:
        if key == "":
            book.compact()
        elif account is None:
            book.remove(book.enter(key))
            held.pop(key, None)
        else:
            book.put([account])
            held[key] = account
        check(book, held)


def check(book: Book, held: dict[str, Account]) -> None:
    for key, account in held.items():
        index = book.find(key)
        assert index is not None
        slots = book.slots_of(index)
        fresh, names = build_batch([account], book.table)
        assert [book.key_of(slot) for slot in slots.tolist()] == names[0]
        if not len(slots):
            continue
        ours, theirs = assess(book.batch(slots)).pools, assess(fresh).pools
        for field in fields(ours):
            np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))
        again = batch_of(book.statements_of(np.array([index])), book.table)
        assert pool_keys(again, book.table) == names[0]
        assert rows_of(again.legs) == rows_of(fresh.legs)
        assert sorted(rows_of(again.holdings)) == sorted(rows_of(fresh.holdings))
    assert len(book) == sum(len(build_batch([one], book.table)[1][0]) for one in held.values())
    check_holders(book)


def rows_of(columns: Legs | Holdings) -> list[tuple[float, ...]]:
    """Rows in their order; NaN is written as -1."""
    values = [np.nan_to_num(getattr(columns, field.name), nan=-1.0) for field in fields(columns)]
    return list(zip(*(column.tolist() for column in values), strict=True))


def check_holders(book: Book) -> None:
    """Every live leg stands under its market, once, and no dead one does."""
    rows = book.rows_of(book.live_slots())
    for market in range(len(book.table.columns().mark)):
        held = np.sort(book.holders.rows(market))
        np.testing.assert_array_equal(held, np.sort(rows[book.legs.market[rows] == market]))
    assert book.positions == len(rows)


def table() -> MarketTable:
    made = MarketTable()
    for symbol in (BTC, ETH):
        base = symbol[:3]
        rows = (Tier(0.0, float("inf"), 0.01),)
        made.put_instrument(Instrument(symbol, True, 1.0, base, "USDT", "USDT", rows))
        made.put_mark(Mark(symbol, 100.0), 0)
    return made


def holding(*symbols: str, isolated: bool = False) -> Account:
    positions = tuple(Position(symbol, 1.0, 100.0, isolated, margin=50.0) for symbol in symbols)
    return Account("a", balances=(Balance("USDT", 100.0),), positions=positions)


def test_levels_stay_with_their_pools_when_the_account_changes() -> None:
    book = Book(table())
    book.put([holding(BTC, isolated=True)])
    cross, isolated = book.slots_of(0).tolist()
    book.pools.level[[cross, isolated]] = (2, 3)
    book.pools.pending_since[isolated] = 7
    ((_, gone),) = book.put([holding(ETH, BTC, isolated=True)])
    assert not gone
    states = {state.key: (state.level, state.pending_since) for state in book.states(0)}
    assert states == {
        PoolKey("cross", "USDT"): (2, -1),
        PoolKey("isolated", "USDT", BTC, "long"): (3, 7),
        PoolKey("isolated", "USDT", ETH, "long"): (0, -1),
    }


def test_a_pool_that_is_gone_is_told_with_its_level() -> None:
    book = Book(table())
    book.put([holding(BTC, isolated=True)])
    book.pools.level[book.slots_of(0)] = (1, 4)
    ((_, gone),) = book.put([holding(BTC)])
    assert [(state.key.kind, state.level) for state in gone] == [("isolated", 4)]
    assert [state.level for state in book.remove(0)] == [1]
    assert len(book) == 0


def test_seq_and_version_outlive_the_account() -> None:
    book = Book(table())
    book.put([holding(BTC)])
    book.accounts.seq[0], book.accounts.version[0] = 9, 4
    book.remove(0)
    book.compact()
    book.put([holding(ETH)])
    assert (book.accounts.seq[0], book.accounts.version[0]) == (9, 4)


def test_many_changes_do_not_fill_the_book_with_dead_rows() -> None:
    book = Book(table())
    for _ in range(2_000):
        book.put([holding(BTC, ETH)])
        if book.wasteful:
            book.compact()
    assert len(book.legs.market) < 2 * 2_000
    assert book.positions == 2


def test_bands_are_kept_when_the_book_is_compacted() -> None:
    book = Book(table())
    book.put([holding(BTC, ETH)])
    book.put([holding(ETH, BTC)])
    rows = book.rows_of(book.slots_of(0))
    book.holders.set_bands(rows, np.array([90.0, 95.0]), np.array([110.0, 105.0]))
    book.compact()
    low, high = book.holders.bands(book.rows_of(book.slots_of(0)))
    assert (low.tolist(), high.tolist()) == ([90.0, 95.0], [110.0, 105.0])
