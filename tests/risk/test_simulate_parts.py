"""A book in parts settles as the whole does: numbers of markets and assets are each part's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.risk.batch import build_batch
from service.risk.columns import Floats
from service.risk.fund import Funds
from service.risk.markets import MarketTable
from service.risk.model import Account
from service.risk.policy import POLICIES, Policy, policy_columns
from service.risk.simulate.joining import Told, join, share_of
from service.risk.simulate.part import Assessed, Part, assess, standing
from service.risk.simulate.prices import prices_at
from service.risk.simulate.scenario import Shock, Slippage
from service.risk.waterfall import share_out
from tests.risk.building import BTC, ETH, contract, held, one_rate, table_with
from tests.risk.test_simulate import long_at_100
from tests.strategies import effort

POLICY = policy_columns(
    POLICIES
    | {"generic": Policy("generic", True, fund=True, deleveraging="bankruptcy", socialises=True)}
)
PAYERS = ("fund", "deleveraged", "socialised", "owed", "venue")
FUND = 20.0


def table_of(symbols: tuple[str, ...]) -> MarketTable:
    """The same two markets, listed in any order."""
    marks = {BTC: 100.0, ETH: 10.0}
    table = table_with(*(contract(each, one_rate(0.01)) for each in symbols), marks=marks)
    for symbol in symbols:
        table.market("generic", symbol)
    return table


def looked_at(
    accounts: list[Account], table: MarketTable, pct: float
) -> tuple[Assessed, Told, np.ndarray]:
    """What a part tells of one step."""
    batch, _ = build_batch(accounts, table)
    part = Part.of(batch, table)
    found = assess(part, prices_at(batch, table, Shock(pct), {}), Slippage(), POLICY)
    everywhere = np.ones(len(batch.markets.mark), dtype=np.bool_)
    others, rows = standing(found, everywhere, POLICY)
    names = [table.market_key(row) for row in range(len(batch.markets.mark))]
    assets = [table.asset_key(row) for row in range(len(batch.asset_price))]
    return found, Told(names, assets, found.losses, others), rows


def funds(told: Told) -> Funds:
    return Funds(np.full(len(told.assets), FUND), np.full(len(told.assets), np.inf))


def sums(column: Floats) -> float:
    return float(column.sum())


@effort(40, 500)
@given(
    st.lists(
        st.tuples(st.sampled_from((1.0, -1.0, 2.0)), st.floats(1.0, 60.0)), min_size=2, max_size=8
    ),
    st.integers(0, 8),
    st.floats(-40.0, 40.0),
)
def test_parts_settle_as_the_whole(
    held_by: list[tuple[float, float]], cut: int, pct: float
) -> None:
    accounts = [
        long_at_100(margin, f"a{index}", contracts)
        for index, (contracts, margin) in enumerate(held_by)
    ]
    _, whole, _ = looked_at(accounts, table_of((BTC, ETH)), pct)
    pieces = [
        looked_at(accounts[:cut], table_of((ETH, BTC)), pct),
        looked_at(accounts[cut:], table_of((BTC, ETH)), pct),
    ]
    joined = join([told for _, told, _ in pieces])
    at_once = share_out(whole.losses, whole.standing, funds(whole), POLICY)
    together = share_out(joined.told.losses, joined.told.standing, funds(joined.told), POLICY)
    for name in (*PAYERS, "shortfall", "kept", "contributed"):
        expected = getattr(at_once, name)
        assert getattr(together, name) == pytest.approx(expected, rel=1e-12, abs=1e-12)
        parts = [share_of(together, joined, index) for index in (0, 1)]
        shares = np.concatenate([getattr(part, name) for part in parts])
        assert shares.tolist() == getattr(together, name).tolist()
    assert together.reduced == pytest.approx(at_once.reduced, rel=1e-12, abs=1e-12)
    assert [len(part.reduced) for part in parts] == [len(rows) for _, _, rows in pieces]


def test_a_part_of_nobody_changes_nothing() -> None:
    _, some, _ = looked_at([long_at_100(5.0)], table_of((BTC, ETH)), -20.0)
    _, none, _ = looked_at([held(account_key="idle")], table_of((ETH, BTC)), -20.0)
    joined = join([none, some])
    shared = share_out(joined.told.losses, joined.told.standing, funds(joined.told), POLICY)
    assert sums(shared.shortfall) == pytest.approx(15.0)
    assert len(share_of(shared, joined, 0).owed) == 0
