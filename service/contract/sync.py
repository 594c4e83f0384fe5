"""What an account sync process says of itself, for metrics and readiness."""

from msgspec import Struct, field


class SyncFigures(Struct, rename="camel"):
    """One account that is kept, counted since its process began; times are of when it was told.

    `age_s`: since the venue's word of it was last taken over, or found to be what is stored; None
    before the first time. `clock_offset_ms`: our clock minus the venue's. `trouble`: why the last
    try came to nothing, in a word, or empty.
    """

    exchange: str
    every_s: float
    snapshots: int = 0
    written: int = 0
    hints: int = 0
    positions: int = 0
    vanished: int = 0
    vanished_beyond: int = 0
    age_s: float | None = None
    clock_offset_ms: float | None = None
    may_trade: bool | None = None
    trouble: str = ""
    troubles: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, int] = field(default_factory=dict)
