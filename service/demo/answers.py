"""The answer of an evaluate call as two tables for people: the pools, and the positions in them."""

from rich.table import Table
from rich.text import Text

from service.contract.evaluation import EvaluateAnswer, PoolAnswer, PositionAnswer
from service.demo.wording import NOTHING, level_text, money, price, remedy, short_symbol


def pool_table(answer: EvaluateAnswer) -> Table:
    """Every pool with its level, its figures, and what brings it back to HEALTHY."""
    table = _table("account", "pool", "level", "equity", "maintenance", "ratio", "healthy again by")
    for account in answer.accounts:
        for pool in account.pools:
            table.add_row(account.id, *_pool_cells(pool))
    return table


def position_table(answer: EvaluateAnswer) -> Table:
    """Every position with its mark and the prices at which it is liquidated and bankrupt."""
    columns = (
        "account",
        "position",
        "contracts",
        "mark",
        "PnL",
        "liquidation",
        "away",
        "bankruptcy",
    )
    table = _table(*columns)
    for account in answer.accounts:
        for position in account.positions:
            table.add_row(account.id, *_position_cells(position))
    return table


def problem_lines(answer: EvaluateAnswer) -> list[str]:
    return [f"{fault.pointer}: {fault.detail} ({fault.code})" for fault in answer.problems]


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 1, 0, 0))
    for column in columns:
        figures = column in {"equity", "maintenance", "ratio", "contracts", "mark", "PnL", "away"}
        table.add_column(column, justify="right" if figures else "left", no_wrap=figures)
    return table


def _pool_cells(pool: PoolAnswer) -> tuple[str | Text, ...]:
    name = (
        f"cross {pool.settle}"
        if pool.symbol is None
        else f"{short_symbol(pool.symbol)} {pool.side}"
    )
    ratio = NOTHING if pool.margin_ratio is None else f"{pool.margin_ratio:.4f}"
    return (
        name,
        level_text(pool.level),
        _money(pool.equity, pool.settle),
        _money(pool.maintenance_margin, pool.settle),
        ratio,
        pool.reason or remedy(pool.to_restore, pool.settle),
    )


def _position_cells(position: PositionAnswer) -> tuple[str, ...]:
    away = NOTHING if position.distance_pct is None else f"{position.distance_pct:.2f} %"
    return (
        f"{short_symbol(position.symbol)} {position.side}",
        f"{position.contracts:,.6g}",
        _price(position.mark_price, None),
        _money(position.unrealized_pnl, ""),
        _price(position.liquidation_price, position.liquidation_price_reason),
        away,
        _price(position.bankruptcy_price, position.bankruptcy_price_reason),
    )


def _money(amount: float | None, asset: str) -> str:
    return NOTHING if amount is None else money(amount, asset).rstrip()


def _price(value: float | None, reason: str | None) -> str:
    return (reason or NOTHING).replace("_", " ") if value is None else price(value)
