"""The live picture of `plimsoll demo` and `watch`: where all stand, and the newest alerts."""

import asyncio
import io
import re
from collections import Counter, deque
from itertools import islice
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service.contract.alerts import Alert, LevelName, PoolName
from service.contract.frames import (
    AlertsFrame,
    MarksFrame,
    Notice,
    ServerFrame,
    Snapshot,
    Subscribed,
)
from service.demo.wording import LEVELS, STYLES, alert_table, level_text, price

KEPT_ALERTS = 200
NOTES = 3
PICTURE_WIDTH = 132
PICTURE_ALERTS = 18
BAR_WIDTH = 60


class Board:
    """What a listener has seen so far; `take` each frame, `render` when it pleases."""

    def __init__(self, title: str, shown_symbols: tuple[str, ...] = ()) -> None:
        self.title = title
        self.urls: dict[str, str] = {}  # by a word for each
        self.status = ""
        self.subscribed = asyncio.Event()
        self.accounts = 0  # how many there are; 0 when not known
        self.alerts_seen = 0
        self._shown_symbols = shown_symbols
        self._alerts: deque[Alert] = deque(maxlen=KEPT_ALERTS)
        self._levels: dict[tuple[str, PoolName], LevelName] = {}
        self._first: dict[str, float] = {}
        self._marks: dict[str, float] = {}
        self._notes: deque[str] = deque(maxlen=NOTES)

    def take(self, frame: ServerFrame) -> list[Alert]:
        """Note what a frame says; return its alerts, oldest first."""
        if isinstance(frame, AlertsFrame):
            for alert in frame.alerts:
                self._alerts.appendleft(alert)
                self._levels[alert.account_id, alert.pool] = alert.level
            self.alerts_seen += len(frame.alerts)
            return frame.alerts
        if isinstance(frame, Subscribed):
            self.subscribed.set()
            if not frame.recovered:
                self._levels.clear()  # the snapshot that follows has all that are not healthy
        elif isinstance(frame, Snapshot):
            for account in frame.accounts:
                for state in account.pools:
                    self._levels[account.account_id, state.pool] = state.level
        elif isinstance(frame, MarksFrame):
            for mark in frame.marks:
                self._first.setdefault(mark.symbol, mark.mark_price)
                self._marks[mark.symbol] = mark.mark_price
        elif isinstance(frame, Notice):
            said = (frame.notice, frame.condition, frame.venue, frame.symbol)
            self.note(" ".join(word for word in said if word))
        return []

    def note(self, text: str) -> None:
        """Show a line of news below the figures for a while."""
        self._notes.append(text)

    def forget_notes(self) -> None:
        self._notes.clear()

    def levels(self) -> Counter[LevelName]:
        """How many accounts stand at each level; an account counts at its worst pool's."""
        worst: dict[str, int] = {}
        for (account_id, _), level in self._levels.items():
            worst[account_id] = max(worst.get(account_id, 0), LEVELS.index(level))
        counts = Counter(LEVELS[number] for number in worst.values() if number)
        if self.accounts:
            counts["HEALTHY"] = max(0, self.accounts - counts.total())
        return counts

    def newest(self) -> Alert | None:
        return self._alerts[0] if self._alerts else None

    def alerts_that_fit(self, height: int) -> int:
        """How many rows of alerts a terminal of `height` lines has room for."""
        return max(3, height - 4 - self._head_lines() - len(self._notes))

    def render(self, width: int, alerts: int) -> RenderableType:
        """Draw it `width` characters wide with the newest `alerts`."""
        head = Panel(self._head(), title=Text(self.title, "bold"), title_align="left")
        shown = list(islice(self._alerts, alerts))
        notes = [Text(note, "dim italic") for note in self._notes]
        if shown:
            return Group(head, alert_table(shown, width), *notes)
        return Group(head, Text("  no alert yet", "dim"), *notes)

    def _head(self) -> RenderableType:
        parts: list[RenderableType] = [self._addresses()]
        if self.status:
            parts.append(Text(self.status, "bold"))
        if self._marks:
            parts.append(self._prices())
        parts.append(self._bars())
        return Group(*parts)

    def _head_lines(self) -> int:
        return len(self.urls) + bool(self.status) + bool(self._marks) + len(LEVELS)

    def _addresses(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        for name, url in self.urls.items():
            grid.add_row(Text(name, "dim"), url)
        return grid

    def _prices(self) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        for symbol in self._shown_symbols:
            if (now := self._marks.get(symbol)) is None:
                continue
            change = 100.0 * (now / self._first[symbol] - 1.0)
            text.append(f"{symbol.partition('/')[0]} ", "bold").append(f"{price(now)} ")
            text.append(f"{change:+.1f} %   ", "red" if change < -0.05 else "green")
        return text

    def _bars(self) -> Table:
        counts = self.levels()
        most = max(counts.values(), default=1) or 1
        grid = Table.grid(padding=(0, 2))
        grid.add_column()
        grid.add_column(justify="right")
        for level in LEVELS:
            if not counts[level] and level in {"HEALTHY", "UNPRICED"}:
                continue
            length = -(-BAR_WIDTH * counts[level] // most)
            bar = Text("█" * length, STYLES[level].split()[-1])
            grid.add_row(level_text(level), str(counts[level]), bar)
        return grid


def export_svg(board: Board, path: Path) -> None:
    """Write the board as it stands to a picture that needs nothing from elsewhere."""
    console = Console(
        record=True,
        width=PICTURE_WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    console.print(board.render(PICTURE_WIDTH, PICTURE_ALERTS))
    svg = console.export_svg(title="plimsoll demo")
    # The stylesheet asks a host for a font; viewers that may not fetch it would show nothing
    # better.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg.replace("Fira Code", "ui-monospace"), encoding="utf-8")
