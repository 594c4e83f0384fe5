"""Who is liquidated on one price basis and not on another."""

import numpy as np

from service.api.simulated import Simulated, pool_named, totals_of
from service.contract.simulated import ComparedAccount, ComparisonAnswer
from service.risk.columns import Bools
from service.risk.model import Level
from service.risk.reports import Basis

LISTED_MAX = 1_000  # pools of a kind


def compared(one: Simulated, other: Simulated, basis: Basis, with_basis: Basis) -> ComparisonAnswer:
    """Compare the same accounts on two bases; a pool that is unpriced on one is on neither list."""
    unpriced = [found.outcome.level == Level.UNPRICED for found in (one, other)]
    known = ~(unpriced[0] | unpriced[1])
    here, there = one.touched() & known, other.touched() & known
    return ComparisonAnswer(
        basis=basis,
        with_basis=with_basis,
        on_both=int(np.count_nonzero(here & there)),
        only_on_basis=int(np.count_nonzero(here & ~there)),
        only_on_other=int(np.count_nonzero(there & ~here)),
        unpriced_on_basis=int(np.count_nonzero(unpriced[0])),
        unpriced_on_other=int(np.count_nonzero(unpriced[1])),
        pools_only_on_basis=_named(one, here & ~there),
        pools_only_on_other=_named(one, there & ~here),
        totals_on_other=totals_of(other),
    )


def _named(found: Simulated, which: Bools) -> list[ComparedAccount]:
    account = found.batch.pools.account
    return [
        ComparedAccount(
            found.accounts[int(account[pool])].account_key, pool_named(found.keys[pool])
        )
        for pool in np.flatnonzero(which)[:LISTED_MAX].tolist()
    ]
