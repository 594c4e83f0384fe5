"""A round of marks against the size of the book, as an SVG; both axes are logarithmic.

`python -m tests.benchmarks bench_scale | python -m tests.benchmarks.plot_scale > docs/scale.svg`
"""

import math
import sys
from collections.abc import Iterable, Sequence

import orjson

from studies.svg import line, text

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 20, 50
SERIES = (
    ("evaluating every pool", "#b4443c"),
    ("crash round (-0.4 %)", "#c98a1b"),
    ("calm round (2 bp)", "#2b6cb0"),
)
INK = "#57606a"


class Axis:
    """A logarithmic scale onto pixels, from power of ten to power of ten."""

    def __init__(self, values: Iterable[float], first: float, last: float) -> None:
        logs = [math.log10(value) for value in values]
        self._low, self._high = math.floor(min(logs)), math.ceil(max(logs))
        self._first, self._last = first, last

    def place(self, value: float) -> float:
        part = (math.log10(value) - self._low) / (self._high - self._low)
        return self._first + part * (self._last - self._first)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]


def plot(pools: Sequence[int], columns: Sequence[Sequence[float]]) -> str:
    """Return an SVG: milliseconds a round, a column a series, by pools."""
    across = Axis(pools, LEFT, WIDTH - RIGHT)
    up = Axis([value for column in columns for value in column], HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up)]
    for (name, colour), column in zip(SERIES, columns, strict=True):
        points = [(across.place(x), up.place(y)) for x, y in zip(pools, column, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(text(x + 10, y + 4, name, colour, "start"))
    body = "\n".join(parts)
    label = "Milliseconds a round of 200 marks against the pools in the book"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{label}" font-family="system-ui, sans-serif" font-size="13">\n'
        f"{body}\n</svg>\n"
    )


def _grid(across: Axis, up: Axis) -> str:
    parts = []
    for value in up.ticks():
        y = up.place(value)
        parts.append(line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(text(LEFT - 8, y + 4, f"{value:,g} ms", INK, "end"))
    for value in across.ticks():
        x = across.place(value)
        parts.append(line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(text(x, HEIGHT - BOTTOM + 20, f"{value:,.0f}", INK, "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 8, "pools, three positions each", INK, "middle"))
    return "\n".join(parts)


def main() -> None:
    told = [orjson.loads(line) for line in sys.stdin.buffer]
    books = [each for each in told if each["name"] == "scale, calm round"]
    columns = (
        [1e3 * each["baseline_s"] for each in books],
        [1e3 * each["notes"]["crash_s"] for each in books],
        [1e3 * each["ours_s"] for each in books],
    )
    sys.stdout.write(plot([each["size"]["pools"] for each in books], columns))


if __name__ == "__main__":
    main()
