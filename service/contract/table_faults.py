"""What is wrong with rows of tables whose cells are good, each by itself; each fault by its row."""

import numpy as np

from service.contract.stated import repeated
from service.contract.table_rows import Positions, all_differ, are_good
from service.errors import Fault
from service.risk.columns import Ints, Statements


def position_faults(given: Statements, rows: Ints) -> list[Fault]:
    """Return what is wrong with positions that stand by account; `rows` are those of the call."""
    columns = Positions(
        given.symbol.code,
        given.isolated,
        given.contracts,
        given.leverage,
        given.margin,
        given.mark,
    )
    if are_good(given.positions, columns, len(given.symbol.words)):
        return []
    owner = np.repeat(np.arange(len(given.positions)), given.positions)
    faults = []
    lacking = given.isolated & np.isnan(given.margin) & np.isnan(given.leverage)
    for row in rows[lacking].tolist():
        detail = "an isolated position has a margin or a leverage"
        faults.append(Fault(f"/columns/margin/{row}", "missing_margin", detail))
    short = given.contracts < 0.0
    name = (given.symbol.code * 2 + short) * 2 + given.isolated
    for row in rows[repeated(owner, name)].tolist():
        detail = "symbol, side and marginMode are listed twice for this account"
        faults.append(Fault(f"/columns/symbol/{row}", "duplicate_position", detail))
    marked = np.flatnonzero(~np.isnan(given.mark))
    pool = owner[marked] * max(1, len(given.symbol.words)) + given.symbol.code[marked]
    _, first, back = np.unique(pool, return_index=True, return_inverse=True)
    other = marked[given.mark[marked] != given.mark[marked][first][back]]
    for row in rows[other].tolist():
        detail = "another position of this symbol has a different markPrice"
        faults.append(Fault(f"/columns/markPrice/{row}", "conflicting_mark", detail))
    return faults


def balance_faults(given: Statements, rows: Ints) -> list[Fault]:
    """Return what is wrong with balances that stand by account; `rows` are those of the call."""
    code = given.asset.code
    if all_differ(given.balances, code, len(given.asset.words)):
        return []
    holder = np.repeat(np.arange(len(given.balances)), given.balances)
    detail = "this asset is listed twice for this account"
    return [
        Fault(f"/balanceColumns/asset/{row}", "duplicate_asset", detail)
        for row in rows[repeated(holder, code)].tolist()
    ]
