"""`POST /v1/evaluate` in columns: the same figures as tables of accounts, pools and positions."""

import time
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from service.api.answers import Asking, Told, answer_columns, no_standing
from service.api.figures import Supposed
from service.api.follower import MarketFollower
from service.api.overlay import overlaid
from service.api.tables import Columns, Table, owners, reordered, table_of, written
from service.api.weaving import Coded, named
from service.contract.chosen import EVERYTHING, Chosen
from service.contract.tabled import FAULTS_MAX, TabledRequest
from service.errors import Fault, InvalidInput, StoreUnavailable
from service.risk.batch import batch_of, distinct
from service.risk.columns import Ints, Statements, Words
from service.risk.markets import MarketTable

_NOT_COLUMNS = {"findings", "likelihood"}  # only said of accounts that are listed one by one
# Tables of what is a list in each account, by the list's name.
_INSIDE = {"pools": "pools", "positions": "positions", "reductions": "toRestoreReduce"}


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A call in columns whose markets have their numbers."""

    call: TabledRequest
    told: Told
    table: MarketTable
    now_ms: int
    chosen: Chosen = EVERYTHING

    def answered(self) -> tuple[memoryview, ...]:
        """Return the whole answer in parts; raises InvalidInput where a figure is too large."""
        tables = self.tables()
        return written(f'{{"timestamp":{int(time.time() * 1_000)}', tables)

    def tables(self) -> dict[str, Columns]:
        """Return the tables of which something is chosen; raises InvalidInput as `answered`."""
        question = self.call.question
        move = None if question.gap is None else question.gap.move_pct
        supposed, chosen = Supposed(question.betas or {}, move), self.chosen
        asking = Asking(no_standing(self.told.batch), supposed, chosen=chosen)
        accounts, left_out = answer_columns(self.told, self.table, self.now_ms, asking)
        if left_out:
            detail = "a figure is too large for a number: of the account that comes as number {}"
            faults = [Fault("/columns", "out_of_range", detail.format(at)) for at in left_out]
            raise InvalidInput.of(*faults[:FAULTS_MAX])
        whole = table_of(accounts)
        tables = _tables(whole.columns, whole.lists, whole.counts, self.call.rows)
        if chosen is not EVERYTHING and "positions" in tables:
            del tables["positions"]["accountId"]  # its row says that
        return tables


def prepare_table(
    call: TabledRequest, follower: MarketFollower, chosen: Chosen = EVERYTHING
) -> PreparedTable:
    """Number the markets of a call; raises InvalidInput, StoreUnavailable."""
    question, stored = call.question, follower.table
    instruments = question.instruments or ()
    table = overlaid(question, instruments, call.venues, stored, question.price_basis)
    given = call.given
    symbols = given.symbol
    missing = {pair for pair in _pairs(given) if not table.lists(*pair)}
    if missing and not follower.known:
        raise StoreUnavailable("the instruments are not known yet: give them in the body")
    if missing:
        names = chain.from_iterable(map(repeat, given.venue, given.positions.tolist()))
        rows = zip(call.rows.tolist(), names, symbols.listed(), strict=True)
        detail = "no instrument of this symbol at the account's venue, nor a generic one"
        faults = [
            Fault(f"/columns/symbol/{row}", "unknown_symbol", detail)
            for row, *pair in rows
            if tuple(pair) in missing
        ]
        raise InvalidInput.of(*faults[:FAULTS_MAX])
    told = Told(named(call.ids), given, batch_of(given, table))
    return PreparedTable(call, told, table, follower.clock_ms(), chosen)


def _pairs(given: Statements) -> list[tuple[str, str]]:
    """Return the venues and symbols of positions."""
    symbols, many = given.symbol, len(given.venue)
    if given.venue.count(given.venue[0]) == many:  # as nearly always
        venue = given.venue[0]
        return [(venue, symbols.words[each]) for each in distinct(symbols.code).words]
    venues, count = Words.of(given.venue), max(1, len(symbols.words))
    markets = distinct(np.repeat(venues.code, given.positions) * count + symbols.code).words
    return [(venues.words[each // count], symbols.words[each % count]) for each in markets]


def _tables(
    accounts: Columns, lists: dict[str, Table], counts: dict[str, Ints], rows: Ints
) -> dict[str, Columns]:
    """Return the tables of an answer; positions stand in the order of the call's `rows`."""
    ids = accounts["id"]
    assert isinstance(ids, Coded)
    tables = {"accounts": {name: accounts[name] for name in accounts if name not in _NOT_COLUMNS}}
    for name, field in _INSIDE.items():
        columns = lists[field].columns if field in lists else {}
        if columns:
            tables[name] = {"accountId": owners(ids, counts[field]), **columns}
    if "pools" in tables:
        tables["pools"].pop("afterGap", None)  # no gap was asked for
    if "positions" in tables:
        tables["positions"] = _in_order(tables["positions"], rows)
    return tables


def _in_order(positions: Columns, rows: Ints) -> Columns:
    if np.any(rows[1:] < rows[:-1]):
        order = np.argsort(rows)
        positions, rows = reordered(positions, order), rows[order]
    return {"row": rows, **positions}
