"""The picture in a terminal, as wide and as high as that is."""

import time
from collections.abc import Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.contract.alerts import LevelName
from service.demo.wording import NARROW, STYLES, alert_table, level_text, price, short_symbol
from service.watching.picture import Picture, Row, ranges

NOTHING = "-"
BAR_WIDTH = 12
HEAD_LINES, TABLE_LINES = 4, 2
AMISS_MAX = 3
OLD_MS = 10_000
KEYS = "q quit   w m l b: at least WARNING, MARGIN_CALL, LIQUIDATION, BANKRUPT   a all levels"


def rows_that_fit(height: int) -> int:
    """Return how many accounts a terminal of that height has room for."""
    return max(3, (height - HEAD_LINES - 2 * TABLE_LINES) * 3 // 5)


def draw(picture: Picture, width: int, height: int) -> RenderableType:
    """Draw everything; no line is longer than the terminal is wide."""
    many = rows_that_fit(height)
    rows = picture.rows[:many]
    head = [_state(picture), *_amiss(picture), _owners(picture), _marks(picture, width)]
    left = height - len(head) - max(1, len(rows)) - 2 * TABLE_LINES
    parts: list[RenderableType] = [*head, _accounts(picture, rows, width), Text()]
    alerts = list(islice(picture.alerts, max(1, left)))
    parts.append(alert_table(alerts, width) if alerts else Text("  no alert yet", "dim"))
    parts.append(_line(Text(KEYS, "dim")))
    return Group(*parts)


def _state(picture: Picture) -> Text:
    text = Text("Plimsoll ", "bold").append(f"{picture.url}  ", "default")
    if picture.live:
        text.append(" LIVE ", "black on green")
    else:
        since = f"for {picture.silent_s:.0f} s" if picture.silent_s < 1e6 else "yet"
        text.append(f" NOT LIVE {since} ", "bold white on red").append(f"  {picture.why_not}")
    text.append(f"  {time.strftime('%H:%M:%S')}  at least {picture.least}", "dim")
    if picture.patterns != ("*",):
        text.append(f", of {', '.join(picture.patterns)}", "dim")
    return _line(text)


def _amiss(picture: Picture) -> Sequence[Text]:
    shown = list(picture.amiss[:AMISS_MAX])
    more = len(picture.amiss) - len(shown)
    if more:
        shown[-1] += f" and {more} more"
    return [_line(Text(f"! {words}", "yellow")) for words in shown]


def _owners(picture: Picture) -> Text:
    text = Text("shards  ", "dim")
    if not picture.owners:
        return text.append("nobody serves any", "red")
    for name, shards in sorted(picture.owners.items()):
        text.append(f"{name} ", "bold").append(f"{ranges(shards)}   ", "default")
    return _line(text)


def _marks(picture: Picture, width: int) -> Text:
    text = Text("marks   ", "dim")
    for key, mark in sorted(picture.marks.items()):
        if len(text) > width:
            break
        change = 100.0 * (mark.mark_price / picture.first_marks[key] - 1.0)
        text.append(f"{short_symbol(mark.symbol)} ", "bold").append(f"{price(mark.mark_price)} ")
        text.append(f"{change:+.1f} %", "red" if change < 0.0 else "green")
        text.append(" stale   " if key in picture.stale else "   ", "magenta")
    return _line(text if picture.marks else text.append("none yet", "red"))


def _accounts(picture: Picture, rows: Sequence[Row], width: int) -> RenderableType:
    if picture.hidden:
        return Text(f"  accounts are not shown: {picture.hidden}", "yellow")
    if not rows:
        nobody = f"  no account at {picture.least} or beyond" if picture.live else "  not known"
        return Text(nobody, "dim")
    table = Table(box=None, expand=True, header_style="dim", padding=(0, 1))
    table.add_column("account", no_wrap=True, min_width=8)
    table.add_column("level", no_wrap=True, min_width=len("MARGIN_CALL"))
    table.add_column("ratio", justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("of the way to liquidation", no_wrap=True)
    table.add_column("nearest liquidation", no_wrap=True)
    for name in ("distance", "mark age"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, width >= NARROW))
    return table


def _cells(row: Row, wide: bool) -> list[Text | str]:
    ratio = NOTHING if row.margin_ratio is None else f"{row.margin_ratio:.3f}"
    cells: list[Text | str] = [row.account_id, level_text(row.level), ratio]
    if wide:
        cells.append(_bar(row.margin_ratio, row.level))
    near, at, distance = row.nearest, NOTHING, NOTHING
    if row.level in {"LIQUIDATION", "BANKRUPT"}:
        at = "reached"
    elif near is not None:
        at = f"{short_symbol(near.symbol)} {near.side} at {price(near.price)}"
        distance = f"{near.distance_pct:.2f} %"
    return [*cells, at, distance, _age(row.mark_age_ms)]


def _bar(ratio: float | None, level: LevelName) -> Text:
    """A ratio as a length; equity that is gone has none, and fills it."""
    share = 1.0 if ratio is None else min(1.0, max(0.0, ratio))
    filled = 0 if ratio is None and level == "UNPRICED" else round(share * BAR_WIDTH)
    style = STYLES[level].split()[-1]
    return Text("█" * filled, style).append("░" * (BAR_WIDTH - filled), "dim")


def _age(age_ms: int | None) -> Text:
    if age_ms is None:
        return Text(NOTHING)
    return Text(f"{age_ms / 1_000.0:.1f} s", "magenta" if age_ms > OLD_MS else "default")


def _line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
