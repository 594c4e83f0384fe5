"""What pools that are being liquidated ask of their venue's insurance fund, at the marks.

Nobody has closed these pools yet: a claim is what closing them at the mark would take of the fund,
and it is gone when the pool is closed, paid for or above water again. The rules are the
waterfall's: a loan stays the trader's, an event (a pool) takes up to the fund's limit, and of a
surplus the fund gets the venue's share, if the pool is to be liquidated at these marks.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.closing import debt_most
from service.risk.columns import Batch, Bools, Floats, sums_by
from service.risk.losses import fund_share
from service.risk.margin import Assessment
from service.risk.model import Level
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.restore import shortfall


@dataclass(slots=True)
class FundClaims:
    """A row a pool, in its money; NaN where the pool is unpriced."""

    claimed: Floats  # what the fund would pay, if it has it
    over_limit: Floats  # what it would pay but for its limit an event
    contribution: Floats  # what it would get of a surplus

    def known(self) -> Bools:
        """Return the pools of which every figure is a number."""
        finite = np.isfinite(self.claimed) & np.isfinite(self.over_limit)
        known: Bools = finite & np.isfinite(self.contribution)
        return known


def fund_claims(
    batch: Batch,
    assessment: Assessment,
    event_most: Floats,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> FundClaims:
    """Return the claims of pools that are closed at the mark, without fees.

    `event_most` is the limit an event of each pool's fund; inf: none.
    """
    pools, legs = assessment.pools, assessment.legs
    missing = shortfall(pools.equity)
    protected = policies.negative_balance_protection[batch.pools.rule]
    loan = np.where(protected, np.minimum(missing, debt_most(batch, assessment, policies)), 0.0)
    wanted = missing - loan
    claimed = np.minimum(wanted, event_most)
    worth = legs.notional * legs.settle_price
    notional = sums_by(batch.legs.pool, worth, len(missing))
    share = fund_share(batch, assessment, notional, policies)
    due = np.isnan(pools.equity) | (pools.level >= Level.LIQUIDATION)
    return FundClaims(
        claimed=claimed,
        over_limit=wanted - claimed,
        contribution=np.where(due, np.minimum(np.maximum(0.0, pools.equity), share), 0.0),
    )
