"""What a feed process says of itself, for metrics and readiness."""

from msgspec import Struct, field


class FeedFigures(Struct, rename="camel"):
    """One feed, counted since its process began; times are of the moment it was told.

    `quiet_s` is since the last mark it took, None before the first. `clock_offset_ms` is our clock
    minus the venue's, with the way here in it; None where frames carry no time.
    """

    lines: int
    lines_open: int
    frames: int = 0
    marks: int = 0
    conflated: int = 0
    reconnects: int = 0
    symbols: int = 0
    quiet_s: float | None = None
    clock_offset_ms: float | None = None
    refused: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
