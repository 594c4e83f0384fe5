"""One liquidation at given marks: first the steps that may save a pool, then the waterfall.

What a step earns and pays stays in its pool; only pools that no step makes safe are closed whole.
Steps do not bring the fund anything: what a fund takes, it takes of a surplus at the end.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.closing import close
from service.risk.columns import Batch, Bools, Floats
from service.risk.fund import Funds
from service.risk.partial import Stepped, step_down
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.waterfall import Settlement, settle


@dataclass(slots=True)
class Liquidation:
    """What became of every pool; legs of the settlement are those of the stepped batch."""

    stepped: Stepped
    closed: Bools  # pools that were closed whole
    fills: Floats  # a leg of the stepped batch, the price it is closed at
    settlement: Settlement
    closed_contracts: Floats  # a leg of the first batch, by steps and at the end


def liquidate(
    batch: Batch,
    *,
    fill: Floats,
    fee_rate: Floats,
    funds: Funds,
    policies: PolicyColumns = POLICY_COLUMNS,
) -> Liquidation:
    """Liquidate every pool that is due; `fill` is the price of a fill over the mark, a leg."""
    stepped = step_down(batch, fill, fee_rate, policies)
    left, assessment, rows = stepped.batch, stepped.assessment, stepped.rows
    fills = assessment.legs.mark * fill[rows]
    settlement = settle(
        left,
        assessment,
        close(left, assessment, fills, fee_rate[rows]),
        closed=stepped.whole,
        funds=funds,
        policies=policies,
    )
    whole = np.where(stepped.whole[left.legs.pool], np.abs(left.legs.contracts), 0.0)
    contracts = stepped.closed.copy()
    contracts[rows] += whole
    return Liquidation(stepped, stepped.whole, fills, settlement, contracts)
