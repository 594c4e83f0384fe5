"""Pieces of the pictures in the documents, which have no ground: they stand on white and black."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.risk.columns import Floats, Ints

GRID = "#8c959f"
INK = "#7d8590"  # a middle grey, which reads on white and on black


class Frame(NamedTuple):
    """Where a panel's lines are drawn: from `left` to `right`, `height` down to `bottom`."""

    left: float
    right: float
    bottom: float
    height: float

    def scale(self, title: str, most: float, unit: str) -> Iterator[str]:
        """Yield a panel's title and its scale, from 0 to `most`."""
        top = self.bottom - self.height
        yield f'<g font-weight="600">{text(self.left, top - 12, title, INK, "start")}</g>'
        for value in (0.0, most / 2.0, most):
            y = self.bottom - self.height * value / most
            yield line(self.left, y, self.right, y)
            yield text(self.left - 8, y + 4, f"{value:g}{unit}", INK, "end")

    def curve(self, part: Floats, rows: Ints, colour: str, width: float) -> str:
        """Return a line through some rows of values that are parts of the scale."""
        x = self.left + (self.right - self.left) * rows / max(1, len(part) - 1)
        y = self.bottom - self.height * part[rows]
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            'stroke-linejoin="round"/>'
        )


def picture(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """Return a whole SVG; `label` says to who cannot see it what it shows."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{label}" font-family="system-ui, sans-serif" font-size="13">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line of a grid."""
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {places} stroke="{GRID}" stroke-opacity="0.35"/>'


def text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    """Return words; `anchor` says which end of them is at x: start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'
