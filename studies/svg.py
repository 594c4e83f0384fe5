"""Pieces of the pictures in the documents, which have no ground: they stand on white and black."""

GRID = "#8c959f"


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a line of a grid."""
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {places} stroke="{GRID}" stroke-opacity="0.35"/>'


def text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    """Return words; `anchor` says which end of them is at x: start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'
