"""A wick as an SVG: two spot sources, their index and the mark; and who was liquidated on each."""

from collections.abc import Callable, Sequence

import numpy as np

from service.risk.columns import Floats, Ints
from studies.crash.study import liquidated_path
from studies.marks.study import Study
from studies.marks.tape import SOURCES
from studies.svg import Frame, picture, text

WIDTH, LEFT, RIGHT, TOP, HEIGHT, GAP, FOOT = 768, 64, 160, 34, 170, 56, 34
COIN, BEFORE_S, AFTER_S = "WIF", 120, 240
COLOURS = ("#8250df", "#d9483b", "#bf8700", "#3b82d6", "#2da44e")
_WICK = f"{COIN} for {BEFORE_S + AFTER_S} seconds, percent of its first index; and the lowest"
_LABEL = "One spot source wicks, its index and mark do not; accounts liquidated on each mark"

Line = tuple[str, Floats, str]  # name, values, colour


def draw(study: Study) -> str:
    """Return the picture of a study."""
    second = TOP + HEIGHT + GAP
    parts = [*_panel(_WICK, _wick(study), TOP, np.nanmin)]
    parts += _panel("Accounts liquidated, percent of all", _liquidated(study), second, np.max)
    bottom = second + HEIGHT + FOOT
    return picture(WIDTH, bottom, _LABEL, parts)


def _lowest(study: Study) -> int:
    """Return the moment at which Gemini traded lowest."""
    row = study.marked.coins.index(COIN)
    return int(np.nanargmin(study.marked.said[:, row, SOURCES.index("gemini")]))


def _wick(study: Study) -> list[Line]:
    marked, row = study.marked, study.marked.coins.index(COIN)
    at = int(np.searchsorted(marked.time_ms, marked.time_ms[_lowest(study)]))
    time_ms = marked.time_ms[at]
    window = (marked.time_ms >= time_ms - 1_000 * BEFORE_S) & (
        marked.time_ms <= time_ms + 1_000 * AFTER_S
    )
    first = marked.index[~np.isnan(marked.index[:, row]), row][0]
    columns = (
        ("gemini", marked.said[:, row, SOURCES.index("gemini")]),
        ("perpetual's last", marked.last[:, row]),
        ("coinbase", marked.said[:, row, SOURCES.index("coinbase")]),
        ("index", marked.index[:, row]),
        ("own mark", marked.mark[:, row]),
    )
    return [
        (name, 100.0 * values[window] / first, colour)
        for (name, values), colour in zip(columns, COLOURS, strict=True)
    ]


def _liquidated(study: Study) -> list[Line]:
    seconds = len(study.tape.last)
    in_order = (COLOURS[1], COLOURS[2], COLOURS[0], *COLOURS[3:])
    colours = dict(zip(study.marks, in_order, strict=True))
    return [
        (name, 100.0 * liquidated_path(fates, seconds) / len(fates.second), colours[name])
        for name, fates in study.fates.items()
    ]


def _panel(
    title: str, lines: Sequence[Line], top: float, extreme: Callable[[Floats], float]
) -> list[str]:
    """Return a panel; beside each line its name and its `extreme`."""
    bottom = top + HEIGHT
    most = 20.0 * np.ceil(max(np.nanmax(values) for _, values, _ in lines) / 20.0)
    frame = Frame(LEFT, WIDTH - RIGHT, bottom, HEIGHT)
    parts = [*frame.scale(title, most, " %")]
    for place, (name, values, colour) in enumerate(lines):
        told = f"{name} {extreme(values):.1f} %"
        parts.append(frame.curve(values / most, _shown(values), colour, 1.7))
        parts.append(text(WIDTH - RIGHT + 10, top + 14 + 20 * place, told, colour, "start"))
    return parts


def _shown(values: Floats) -> Ints:
    """Return the rows that are drawn: some hundreds, where there is a value."""
    rows: Ints = np.unique(np.linspace(0, len(values) - 1, 600).astype(np.int64))
    return rows[~np.isnan(values[rows])]
