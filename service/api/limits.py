"""The limits of one service, as its settings give them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long to wait.

    `reach_s`: how long a write waits for the worker's own picture to show it. `ask_s`: how long the
    monitors have to answer.
    """

    accounts_max: int = 10_000
    positions_max: int = 100_000
    reach_s: float = 1.0
    ask_s: float = 2.0
