"""The crash as an SVG: one market's two prices, who was liquidated on each, what was missing."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from service.risk.columns import Floats
from studies.crash.study import Study, liquidated_path, shortfall_path
from studies.svg import INK, Frame, line, picture, text

WIDTH, LEFT, RIGHT, TOP = 768, 64, 184, 34
PANEL_HEIGHT, PANEL_GAP, FOOT = 128, 50, 34
LAST, SPOT = "#d9483b", "#3b82d6"
STEP_S = 10  # a point of a line
TICK_S = 900
LABEL_LEAST = 17.0  # pixels between the labels of two lines
_LABEL = (
    "The crash of 2025-10-10: accounts liquidated and money missing, on the last price and on a "
    "spot-median mark"
)


class Panel(NamedTuple):
    """Two lines over time: the last price's and the spot median's; the scale begins at 0."""

    title: str
    last: Floats
    spot: Floats
    unit: str
    labels: tuple[str, str]


def draw(study: Study) -> str:
    """Return the picture of a study."""
    panels = (_prices(study), _liquidated(study), _missing(study))
    tops = [TOP + row * (PANEL_HEIGHT + PANEL_GAP) for row in range(len(panels))]
    bottom = tops[-1] + PANEL_HEIGHT
    seconds, start_s = len(study.tape.last), study.tape.start_s
    parts = [_clock(start_s, seconds, tops, bottom)]
    parts += [_panel(each, top) for each, top in zip(panels, tops, strict=True)]
    return picture(WIDTH, bottom + FOOT, _LABEL, parts)


def _prices(study: Study) -> Panel:
    """Return the market whose perpetual fell furthest below spot."""
    tape = study.tape
    market = int(np.argmin((tape.last / tape.spot).min(axis=0)))
    last, spot = (100.0 * each[:, market] / tape.spot[0, market] for each in (tape.last, tape.spot))
    title = f"{tape.coins[market]}: its perpetual and its spot, percent of the price at entry"
    return Panel(title, last, spot, " %", ("last price", "spot median"))


def _liquidated(study: Study) -> Panel:
    seconds, share = len(study.tape.last), 100.0 / len(study.traders)
    last, spot = (share * liquidated_path(each, seconds) for each in (study.last, study.spot))
    labels = (f"{last[-1]:.1f} % on last price", f"{spot[-1]:.1f} % on spot median")
    return Panel("Accounts liquidated, percent of all", last, spot, " %", labels)


def _missing(study: Study) -> Panel:
    seconds = len(study.tape.last)
    last, spot = (shortfall_path(each, seconds) / 1e6 for each in (study.last, study.spot))
    labels = (f"{last[-1]:.2f} m on last price", f"{spot[-1]:.2f} m on spot median")
    return Panel("Shortfall: what closing left unpaid, million USD", last, spot, " m", labels)


def _panel(panel: Panel, top: float) -> str:
    bottom, most = top + PANEL_HEIGHT, _round_above(max(panel.last.max(), panel.spot.max()))
    frame = Frame(LEFT, WIDTH - RIGHT, bottom, PANEL_HEIGHT)
    parts = [*frame.scale(panel.title, most, panel.unit)]
    ends = [bottom - PANEL_HEIGHT * float(each[-1]) / most for each in (panel.last, panel.spot)]
    lines = zip((panel.last, panel.spot), (LAST, SPOT), panel.labels, _apart(ends), strict=True)
    for values, colour, label, y in lines:
        rows = np.unique([*range(0, len(values), STEP_S), len(values) - 1])
        parts.append(frame.curve(values / most, rows, colour, 2.0))
        parts.append(text(WIDTH - RIGHT + 10, y + 4, label, colour, "start"))
    return "\n".join(parts)


def _round_above(value: float) -> float:
    """Return the least of some round shares of a power of ten that is not below the value."""
    if value <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 2, 4, 5, 6, 8, 10) if step * power >= value)


def _apart(ends: Sequence[float]) -> list[float]:
    """Return the places of two labels, moved off each other where they are too near."""
    first, second = ends
    push = max(0.0, LABEL_LEAST - abs(first - second)) / 2.0
    return [first - push, second + push] if first <= second else [first + push, second - push]


def _clock(start_s: int, seconds: int, tops: Sequence[float], bottom: float) -> str:
    """Return upright lines every quarter of an hour, with the time (UTC) below."""
    parts = []
    for second in range(-(-start_s // TICK_S) * TICK_S, start_s + seconds + 1, TICK_S):
        x = LEFT + (WIDTH - RIGHT - LEFT) * (second - start_s) / max(1, seconds - 1)
        parts += [line(x, top, x, top + PANEL_HEIGHT) for top in tops]
        told = f"{datetime.fromtimestamp(second, UTC):%H:%M}"
        parts.append(text(x, bottom + 22, told, INK, "middle"))
    parts.append(text(WIDTH - RIGHT + 30, bottom + 22, "UTC", INK, "start"))
    return "\n".join(parts)
