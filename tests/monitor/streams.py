"""Streams of everything a monitor can meet, as steps that a store is fed with one by one."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import orjson
from hypothesis import strategies as st

from service.contract.accounts import (
    AccountDocument,
    BalanceDocument,
    RepeatDocument,
    ThresholdsDocument,
    encode_document,
)
from service.contract.instruments import encode_instrument
from service.contract.marks import encode_mark
from service.contract.positions import PositionDocument
from service.risk.book import Book
from service.risk.model import GENERIC_VENUE, Account, Instrument, Mark, Position
from tests.monitor.fake_store import FakeStore
from tests.reference.world import World
from tests.risk.building import origin_of
from tests.strategies import SYMBOLS, VENUES, accounts, instruments, mark_of, worlds

Step: TypeAlias = Callable[[FakeStore, Book], None]

_MOVES = (1.0, 1.0002, 0.9998, 1.002, 0.998, 1.02, 0.98, 0.9, 1.1, 0.6, 1.5, 0.05)
_PLACES = (0.5, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.0 + 1e-6, 1.001, 1.05)
_WAITS_MS = (0, 1, 200, 1_000, 2_500, 6_000, 30_000, 61_000)
_CAUSES = ("account", "deposit", "withdrawal", "funding", "fee", "pnl")


def document_of(account: Account) -> bytes:
    """The account as clients write it."""
    lines = account.thresholds
    return encode_document(
        AccountDocument(
            venue=account.venue,  # type: ignore[arg-type]  # a str of the strategies' venues
            collateral_mode=account.collateral_mode,
            balances=[
                BalanceDocument(b.asset, b.amount, b.weight, b.price) for b in account.balances
            ],
            positions=[_position(position) for position in account.positions],
            thresholds=ThresholdsDocument(
                lines.warning, lines.margin_call, lines.hysteresis, lines.ease_after_ms
            ),
            repeat=RepeatDocument(
                lines.repeat_every_ms,
                "acknowledged" if lines.repeat_until_acknowledged else "resolved",
            )
            if lines.repeat_every_ms
            else None,
        )
    )


def _position(position: Position) -> PositionDocument:
    leverage = position.leverage
    if position.isolated and position.margin is None and leverage is None:
        leverage = 10.0  # the contract asks for one of the two
    return PositionDocument(
        position.symbol,
        abs(position.contracts),
        position.side,
        position.entry_price,
        "isolated" if position.isolated else "cross",
        leverage,
        position.contract_size,
        margin=position.margin,
    )


def put_mark(mark: Mark, wait_ms: int = 0) -> Step:
    return lambda store, _: store.append("m", encode_mark(mark), wait_ms)


def put_instrument(instrument: Instrument, wait_ms: int = 0) -> Step:
    return lambda store, _: store.append("i", encode_instrument(instrument), wait_ms)


VERDICTS = [
    ("good", "liquidate"),
    ("stale", "call"),
    ("suspect", "warn"),
    ("suspect", "evaluate"),
    ("degraded", "liquidate"),
]


def put_quality(venue: str, symbol: str, verdict: tuple[str, str], wait_ms: int = 0) -> Step:
    quality, allows = verdict
    word = orjson.dumps({"venue": venue, "symbol": symbol, "quality": quality, "allows": allows})
    return lambda store, _: store.append("q", word, wait_ms)


def tick(wait_ms: int) -> Step:
    return lambda store, _: store.append("c", b"{}", wait_ms)


def put_edge_mark(pick: int, above: bool, place: float, wait_ms: int) -> Step:
    """Move a market a little inside or outside the edge of a band that somebody's leg has there.

    `place` is how far, as a share of the way from the mark to the edge: below 1 nothing may happen,
    beyond it the pool is due.
    """

    def step(store: FakeStore, book: Book) -> None:
        edges = []
        for row in book.rows_of(book.live_slots()):
            market = int(book.legs.market[row])
            low, high = book.holders.bands(np.array([row]))
            mark, edge = (
                float(book.table.columns().mark[market]),
                float((high if above else low)[0]),
            )
            if 0.0 < edge < np.inf and edge != mark:
                edges.append((market, mark, edge))
        if edges:
            market, mark, edge = edges[pick % len(edges)]
            _, symbol = book.table.market_key(market)
            price = mark + (edge - mark) * place
            mark_venue = origin_of(book.table, market).mark_venue or GENERIC_VENUE
            if price > 0.0:
                store.append("m", encode_mark(Mark(symbol, price, mark_venue)), wait_ms)

    return step


def write(account_key: str, doc: bytes | None, cause: str, notice: bool, wait_ms: int = 0) -> Step:
    """Write an account; without a notice the next one of its shard brings it in too."""

    def step(store: FakeStore, _: Book) -> None:
        shard = store.write(account_key, doc, cause)
        if notice:
            store.notice(shard, wait_ms)

    return step


def acknowledge(pick: int, wait_ms: int) -> Step:
    """Acknowledge one of the newest alerts of all shards, if there is any."""

    def step(store: FakeStore, _: Book) -> None:
        newest = [key for shard in store.shards for key in shard.log[-3:]]
        if newest:
            key, alert = newest[pick % len(newest)]
            store.notice(store.acknowledge(key, orjson.loads(alert)["seq"]), wait_ms)

    return step


@st.composite
def streams(draw: st.DrawFn, steps: int = 25) -> list[Step]:
    """A world, a few accounts in it, and what happens to them."""
    venue = draw(st.sampled_from(VENUES))
    symbols = tuple(draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=5, unique=True)))
    world = draw(worlds(venue, symbols))
    keys = [f"default/{name}" for name in draw(st.sampled_from(("a", "ab", "abc")))]
    stream = [put_instrument(instrument) for instrument in world.instruments.values()]
    stream += [put_mark(mark) for mark in world.marks.values()]
    for key in keys:
        doc = document_of(draw(accounts(world, venue, symbols, key)))
        stream.append(write(key, doc, "account", notice=True))
    marks = {symbol: mark_of(world, venue, symbol) for symbol in symbols}
    for _ in range(draw(st.integers(1, steps))):
        stream.append(draw(_steps(world, venue, marks, keys)))
    return stream


@st.composite
def _steps(
    draw: st.DrawFn, world: World, venue: str, marks: dict[str, float], keys: list[str]
) -> Step:
    """One step; marks are the most frequent, as they are in life."""
    kind = draw(st.sampled_from("mmmmmeeeeeeecccqiwwdaa"))
    wait_ms = draw(st.sampled_from(_WAITS_MS))
    if kind in "ca":
        return tick(wait_ms) if kind == "c" else acknowledge(draw(st.integers(0, 5)), wait_ms)
    symbol = draw(st.sampled_from(sorted(marks)))
    of = draw(st.sampled_from((venue, GENERIC_VENUE)))
    if kind == "m":
        marks[symbol] = price = marks[symbol] * draw(st.sampled_from(_MOVES))
        index = draw(st.sampled_from((None, price * 0.99)))
        return put_mark(Mark(symbol, price, of, index), wait_ms)
    if kind == "e":
        place = draw(st.sampled_from(_PLACES))
        return put_edge_mark(draw(st.integers(0, 9)), draw(st.booleans()), place, wait_ms)
    if kind == "q":
        return put_quality(of, symbol, draw(st.sampled_from(VERDICTS)), wait_ms)
    if kind == "i":
        instrument = draw(instruments(symbol, of, 1_000.0))
        if draw(st.booleans()):
            instrument = replace(instrument, settle=draw(st.sampled_from(("USDT", "USDC", "BTC"))))
        return put_instrument(instrument, wait_ms)
    key, doc = draw(st.sampled_from(keys)), None
    if kind == "w":
        doc = document_of(draw(accounts(world, venue, tuple(marks), key)))
    cause, notice = draw(st.sampled_from(_CAUSES)), draw(st.booleans())
    return write(key, doc, cause, notice, wait_ms)
