"""What comes in and what goes out of a book's pools in a scenario: both must be the same money.

Wallets are what evaluations find before and after, everything else is what each stage says that it
moved: a stage that loses or makes money shows as a difference.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Bools, Floats, Ints
from service.risk.margin import PoolFigures
from service.risk.simulate.afterwards import Moved


@dataclass(slots=True)
class Ledger:
    """Columns by pool, in its money; wallets that nobody can value count as 0."""

    settle: Ints  # the asset a pool's money is in
    known: Bools  # pools that could be valued before the scenario
    before: Floats  # wallets at the marks before the scenario
    after: Floats  # wallets now
    revalued: Floats  # what collateral became worth more
    realised: Floats  # from counterparties: PnL of what was closed, before fees
    fees: Floats
    fund: Floats  # paid by funds, less what they took
    socialised: Floats  # received, less what was borne for others
    venue: Floats
    turned_over: Floats  # all of it without signs: what differences are measured by

    @classmethod
    def of(cls, settle: Ints, pools: PoolFigures) -> "Ledger":
        """Open the books with what is in the wallets."""
        wallet = np.where(pools.unpriced, 0.0, pools.wallet)
        nothing = np.zeros(len(wallet))
        none = dict.fromkeys(
            ("revalued", "realised", "fees", "fund", "socialised", "venue"), nothing
        )
        return cls(settle, ~pools.unpriced, wallet, wallet, **none, turned_over=np.abs(wallet))

    def revalue(self, wallet: Floats) -> None:
        """Take note of what wallets are at other prices, nothing having been closed.

        One that could be valued before and cannot be any more is too large for a number.
        """
        overflown = self.known & np.isnan(wallet)
        self.turned_over = np.where(overflown, np.inf, self.turned_over)
        known = np.nan_to_num(wallet)
        self.revalued = self.revalued + known - self.after
        self.turned_over = self.turned_over + np.abs(known - self.after)
        self.after = known

    def move(self, moved: Moved, wallet: Floats) -> None:
        """Take note of money that moved, and of what wallets are after it."""
        for name in ("realised", "fees", "fund", "socialised", "venue"):
            money = getattr(moved, name)
            setattr(self, name, getattr(self, name) + money)
            self.turned_over = self.turned_over + np.abs(money)
        self.after = np.nan_to_num(wallet)

    def difference(self) -> Floats:
        """Return by pool what came in less what went out and what is there."""
        came = self.before + self.revalued + self.realised + self.fund + self.socialised
        return came + self.venue - self.fees - self.after
