"""Who pays what the points of a liquidation map leave missing: by sums, so in no order of events.

A loan stays the trader's. A fund pays before it takes: what closing leaves over is the fund's
afterwards. What its balance does not cover falls on the first that the venue has of these: the
queue, everybody, the venue itself, the trader; whoever is first pays all of it. A scenario asks
how much the queue can pay; a map of a whole book at many points does not.
"""

from dataclasses import dataclass, fields

import numpy as np

from service.risk.aftermath import EVERYBODY, QUEUE, TRADER, VENUE, payer_after_fund
from service.risk.columns import Floats
from service.risk.policy import POLICY_COLUMNS, PolicyColumns
from service.risk.walking import ASKED, CLAIMED, CONTRIBUTED, SHORTFALL


@dataclass(slots=True)
class Payers:
    """Who pays a shortfall; they add up to it. An entry for each of the sums."""

    fund: Floats
    deleveraged: Floats
    socialised: Floats
    owed: Floats
    venue: Floats
    balance: Floats  # of the fund afterwards; inf where nobody said what it holds


def paid(
    sums: Floats, rule: int, balance: float, policies: PolicyColumns = POLICY_COLUMNS
) -> Payers:
    """Let everybody pay what is theirs of one venue's sums in one asset (points, FIELDS)."""
    fund = np.minimum(sums[:, ASKED], balance)
    left = np.maximum(0.0, sums[:, SHORTFALL] - sums[:, CLAIMED] - fund)
    payer = int(payer_after_fund(policies, np.array([rule]))[0])
    nothing = np.zeros(len(left))
    return Payers(
        fund=fund,
        deleveraged=left if payer == QUEUE else nothing,
        socialised=left if payer == EVERYBODY else nothing,
        owed=sums[:, CLAIMED] + (left if payer == TRADER else nothing),
        venue=left if payer == VENUE else nothing,
        balance=balance - fund + sums[:, CONTRIBUTED],
    )


def paid_in_turn(
    sums: Floats, rule: int, balance: float, policies: PolicyColumns = POLICY_COLUMNS
) -> Payers:
    """Let them pay one point after the other, of what the fund then still has."""
    turns = []
    for point in range(len(sums)):
        turns.append(paid(sums[point : point + 1], rule, balance, policies))
        balance = float(turns[-1].balance[0])
    columns = {
        each.name: np.concatenate([getattr(turn, each.name) for turn in turns])
        for each in fields(Payers)
    }
    return Payers(**columns)
