"""Alerts in words and figures for people: one line each, or a row of a table."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from service.contract.alerts import Alert, CrossPool, LevelName, PoolName, ToRestore

LEVELS: tuple[LevelName, ...] = (
    "HEALTHY",
    "UNPRICED",
    "WARNING",
    "MARGIN_CALL",
    "LIQUIDATION",
    "BANKRUPT",
)
STYLES: dict[str, str] = {
    "HEALTHY": "green",
    "UNPRICED": "magenta",
    "WARNING": "yellow",
    "MARGIN_CALL": "dark_orange",
    "LIQUIDATION": "bold red",
    "BANKRUPT": "bold white on red",
}
NOTHING = "-"
NARROW = 104  # columns of a terminal below which the table leaves some out


def level_text(level: LevelName) -> Text:
    return Text(level, style=STYLES[level])


def money(amount: float, asset: str) -> str:
    """Two decimals for a currency, more where the amount is small (coins)."""
    size = abs(amount)
    digits = 0 if size >= 1_000.0 else 2
    if 0.0 < size < 1.0:
        digits = min(12, 3 - math.floor(math.log10(size)))
    return f"{amount:,.{digits}f} {asset}"


def quantity(contracts: float) -> str:
    """Four significant digits, whole numbers in full."""
    return f"{contracts:,.0f}" if contracts >= 1_000.0 else f"{contracts:.4g}"


def price(value: float) -> str:
    """Six significant digits of a price (> 0), never in powers of ten."""
    digits = max(0, 5 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}"


def pool_words(pool: PoolName) -> str:
    if isinstance(pool, CrossPool):
        return f"cross {pool.settle}"
    return f"{short_symbol(pool.symbol)} {pool.side}"


def nearest_liquidation(alert: Alert) -> str:
    """The position whose own mark is nearest to the price that liquidates its pool."""
    if alert.level in {"LIQUIDATION", "BANKRUPT"}:
        return "reached"
    positions = alert.positions
    priced = [
        p for p in positions if p.distance_pct is not None and p.liquidation_price is not None
    ]
    if not priced:
        return NOTHING
    nearest = min(priced, key=lambda p: p.distance_pct or 0.0)
    at = price(nearest.liquidation_price or 0.0)
    return f"{short_symbol(nearest.symbol)} at {at}, {nearest.distance_pct or 0.0:.1f} %"


def remedy(to_restore: ToRestore | None, settle: str) -> str:
    """What brings the pool back to HEALTHY: a deposit, or the first reduction that does."""
    deposit, reduction = _remedies(to_restore, settle)
    ways = [f"deposit {deposit}"] if deposit else []
    return " or ".join([*ways, f"close {reduction}"] if reduction else ways) or NOTHING


def outcome(alert: Alert, cell: bool = False) -> str:
    """What helps, or what is left to pay once equity is gone; `cell` leaves the verbs out."""
    settle = alert.pool.settle
    if alert.level == "BANKRUPT" and alert.shortfall:
        return f"{money(alert.shortfall, settle)} short"
    if alert.level == "HEALTHY":
        return "healthy again"
    if cell:
        return " or ".join(filter(None, _remedies(alert.to_restore, settle))) or NOTHING
    return remedy(alert.to_restore, settle)


def _remedies(to_restore: ToRestore | None, settle: str) -> tuple[str, str]:
    if to_restore is None:
        return "", ""
    deposit = money(to_restore.deposit, settle) if to_restore.deposit else ""
    for row in to_restore.reduce:
        if row.contracts:
            return deposit, f"{quantity(row.contracts)} {short_symbol(row.symbol)}"
    return deposit, ""


def clock(time_ms: int) -> str:
    """The time of day here, to the tenth of a second."""
    return (
        datetime.fromtimestamp(time_ms / 1_000.0, tz=UTC).astimezone().strftime("%H:%M:%S.%f")[:10]
    )


def line(alert: Alert) -> str:
    """One alert as a line of text, for logs and pipes."""
    ratio = NOTHING if alert.margin_ratio is None else f"{alert.margin_ratio:.3f}"
    parts = (
        clock(alert.event_time),
        f"{alert.level:<11}",
        f"{alert.account_id:<16}",
        f"{pool_words(alert.pool):<18}",
        f"ratio {ratio:<7}",
        f"liquidation {nearest_liquidation(alert):<36}",
        outcome(alert),
    )
    return "  ".join(parts)


def alert_table(alerts: Sequence[Alert], width: int) -> Table:
    """The alerts as a table, the newest first."""
    wide = width >= NARROW
    table = Table(box=None, expand=True, header_style="dim", padding=(0, 1))
    for name in ("time", "level", "account", "pool"):
        table.add_column(name, no_wrap=True)
    table.add_column("ratio", justify="right", no_wrap=True)
    table.add_column("nearest liquidation", no_wrap=True)
    if wide:
        table.add_column("deposit, or close", no_wrap=True, overflow="ellipsis", ratio=1)
    for alert in alerts:
        table.add_row(*_cells(alert, wide))
    return table


def _cells(alert: Alert, wide: bool) -> list[Text | str]:
    ratio = NOTHING if alert.margin_ratio is None else f"{alert.margin_ratio:.3f}"
    worse = LEVELS.index(alert.level) > LEVELS.index(alert.previous_level)
    level = Text("▲ " if worse else "▼ ", "dim").append(level_text(alert.level))
    cells: list[Text | str] = [clock(alert.event_time), level, alert.account_id]
    cells += [pool_words(alert.pool), ratio, nearest_liquidation(alert)]
    return [*cells, outcome(alert, cell=True)] if wide else cells


def short_symbol(symbol: str) -> str:
    """A symbol without its settle currency where that is the quote: BTC/USDT:USDT is BTC/USDT."""
    pair, _, settle = symbol.partition(":")
    return pair if pair.endswith(f"/{settle}") else symbol
