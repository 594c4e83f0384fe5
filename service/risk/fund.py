"""Insurance funds: what they take of surpluses and pay of shortfalls, event after event."""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Floats, Ints


@dataclass(slots=True)
class Funds:
    """A row an asset (its number belongs to a venue): what a fund holds, and pays an event."""

    balance: Floats  # >= 0; inf where nobody says, 0 where there is none
    event_most: Floats  # inf: no limit

    @classmethod
    def unlimited(cls, assets: int) -> "Funds":
        """Return funds that pay whatever is asked."""
        return cls(np.full(assets, np.inf), np.full(assets, np.inf))


def run(funds: Funds, asset: Ints, gains: Floats, wants: Floats) -> tuple[Floats, Floats]:
    """Return what is paid at each event, and the balances after all of them.

    Rows are events in order: a fund gains, then pays what it has of what is wanted, up to its limit
    an event. A balance so held at zero is its free sum less the lowest that sum has been below
    zero, so a whole run is one cumulative pass.
    """
    paid, after = np.zeros(len(asset)), funds.balance.copy()
    asked = np.minimum(wants, funds.event_most[asset])
    for fund in np.unique(asset).tolist():
        rows = np.flatnonzero(asset == fund)
        moves = np.cumsum(gains[rows] - asked[rows])
        unpaid = np.maximum(0.0, -(funds.balance[fund] + np.minimum.accumulate(moves)))
        each = np.diff(unpaid, prepend=0.0)
        paid[rows] = np.clip(asked[rows] - each, 0.0, asked[rows])
        moved = gains[rows].sum() - paid[rows].sum()
        after[fund] = max(0.0, funds.balance[fund] + moved)
    return paid, after
