"""The limits of one service, as its settings give them."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.contract.accounts import AccountDocument
from service.contract.decoding import check_count


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long to wait.

    `reach_s`: how long a write waits for the worker's own picture to show it. `ask_s`: how long the
    monitors have to answer.
    """

    accounts_max: int = 10_000
    positions_max: int = 100_000
    scenarios_max: int = 1_000
    simulated_max: int = 2_000_000
    reach_s: float = 1.0
    ask_s: float = 2.0

    def check_positions(self, accounts: Iterable[AccountDocument]) -> int:
        """Return how many positions the accounts have; raises TooManyItems."""
        positions = sum(len(account.positions or ()) for account in accounts)
        check_count(positions, self.positions_max, "positions")
        return positions

    def check_simulated(self, scenarios: int, work: int) -> None:
        """Raise TooManyItems; `work` are accounts, or positions, times the steps of scenarios."""
        check_count(scenarios, self.scenarios_max, "scenarios")
        check_count(work, self.simulated_max, "accounts or positions times steps of scenarios")
