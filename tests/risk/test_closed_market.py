"""A market in which every long is somebody's short: no money comes or goes, whatever falls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.batch import build_batch
from service.risk.columns import sums_by
from service.risk.evaluate import assess
from service.risk.fund import Funds
from service.risk.liquidate import Liquidation, liquidate
from service.risk.model import Account, Position
from service.risk.policy import POLICIES, Policy, policy_columns
from tests.risk.building import BTC, contract, held, one_rate, table_with
from tests.strategies import effort


def traded(
    trades: Sequence[tuple[int, int, float, float]], margins: Sequence[float]
) -> list[Account]:
    """Accounts that are long (even) or short (odd) by these trades: (pair, pair, size, price)."""
    held_: dict[int, list[float]] = {}
    for buyer, seller, size, price in trades:
        for name, contracts in ((2 * buyer, size), (2 * seller + 1, -size)):
            position = held_.setdefault(name, [0.0, 0.0])
            position[0] += contracts
            position[1] += contracts * price
    return [
        held(
            Position(BTC, contracts, cost / contracts),
            usdt=margins[name] * abs(cost),
            account_key=f"a{name}",
        )
        for name, (contracts, cost) in held_.items()
    ]


sizes = st.floats(0.1, 100.0)
trade = st.tuples(st.integers(0, 3), st.integers(0, 3), sizes, st.floats(50.0, 200.0))


@dataclass(frozen=True, slots=True)
class Shock:
    """What comes over a market, and by which rules it is liquidated."""

    mark: float
    policy: Policy
    fund: float
    fee_rate: float
    slip: float


shocks = st.builds(
    Shock,
    st.floats(20.0, 400.0),
    st.builds(
        Policy,
        st.just("generic"),
        st.booleans(),
        fund=st.booleans(),
        surplus_rate=st.sampled_from((0.0, 0.01, np.inf)),
        deleveraging=st.sampled_from(("none", "bankruptcy", "mark", "mixed")),
        socialises=st.booleans(),
        partial=st.sampled_from(("whole", "tiers", "requirement", "share")),
        step_share=st.floats(0.1, 0.9),
        backstop=st.sampled_from((0.0, 0.5)),
    ),
    st.floats(0.0, 5_000.0),
    st.sampled_from((0.0, 0.0005, 0.01)),
    st.sampled_from((0.0, 0.002)),
)


@effort(150, 3_000)
@given(
    st.lists(trade, min_size=1, max_size=12),
    st.lists(st.floats(0.0, 0.5), min_size=8, max_size=8),
    shocks,
)
def test_in_a_closed_market_what_was_paid_in_is_what_there_is(
    trades: list[tuple[int, int, float, float]], margins: list[float], shock: Shock
) -> None:
    """Every long is somebody's short: wallets and fund before are all there is afterwards."""
    table = table_with(contract(BTC, one_rate(0.01)), marks={BTC: shock.mark})
    batch, _ = build_batch(traded(trades, margins), table)
    seen = assess(batch)
    asset, assets = int(batch.pools.settle[0]), len(batch.asset_price)
    done = liquidate(
        batch,
        fill=1.0 - np.sign(seen.legs.size) * shock.slip,
        fee_rate=np.full(len(seen.legs.size), shock.fee_rate),
        funds=Funds(np.full(assets, shock.fund), np.full(assets, np.inf)),
        policies=policy_columns(POLICIES | {"generic": shock.policy}),
    )
    paid_in = float(seen.pools.wallet.sum()) + shock.fund
    whole = paid_in + float(np.abs(seen.pools.unrealised_pnl).sum() + seen.legs.notional.sum())
    assert money_after(done, asset) == pytest.approx(paid_in, abs=1e-9 * whole)


def money_after(done: Liquidation, asset: int) -> float:
    """Of traders, the fund, the venue's fees and whoever traded with the liquidation.

    Owed and borne by the venue is money that somebody still has to bring.
    """
    found, batch, seen = done.settlement, done.stepped.batch, done.stepped.assessment
    at, legs = batch.legs.pool, seen.legs
    cost = sums_by(at, found.deleveraging_cost + found.socialised_cost, len(done.closed))
    traders = float((seen.pools.equity - cost)[~done.closed].sum() + found.kept.sum())
    fees = float(found.fees.sum() + done.stepped.fees.sum())
    sold = (np.abs(legs.size) - found.handed_over) * done.closed[at]
    fills = np.abs(legs.mark - done.fills)
    earned = float((sold * fills).sum() + done.stepped.slippage.sum())
    missing = float((found.owed + found.venue).sum())
    return traders + float(found.fund_balance[asset]) + fees + earned - missing
