"""What an engine has done so far."""

from dataclasses import dataclass


@dataclass(slots=True)
class EngineStats:
    """Counts since the start."""

    entries: int = 0
    pools_evaluated: int = 0
    blocks_touched: int = 0
    alerts: int = 0
    audited: int = 0
    mismatches: int = 0
    unreadable: int = 0
