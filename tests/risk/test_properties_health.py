"""Whatever the account and the limits: doing what a finding says clears it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.risk.model import Account, Balance, HealthLimits, Position
from tests.risk.building import BTC, BTC_COIN, ETH
from tests.risk.checkup import Patient, is_cleared
from tests.strategies import effort

positions = st.builds(
    Position,
    st.sampled_from([BTC, ETH, BTC_COIN]),
    st.one_of(st.floats(-500.0, -0.1), st.floats(0.1, 500.0)),
    st.floats(8.0, 120.0),
    st.booleans(),
    st.sampled_from([1.0, 2.0, 5.0, 20.0]),
)
limits = st.builds(
    HealthLimits,
    leverage_max=st.floats(0.1, 20.0),
    position_share_max=st.floats(0.01, 1.0),
    concentration_max=st.floats(0.3, 0.99),
    budget_share=st.floats(0.001, 0.5),
    bound_factor_max=st.floats(1.0, 10.0),
    buffer_deviations_min=st.floats(0.1, 5.0),
    funding_hours_min=st.floats(1.0, 1_000.0),
)


@st.composite
def patients(draw: st.DrawFn) -> Patient:
    legs = draw(st.lists(positions, min_size=1, max_size=4))
    by_name = {(leg.symbol, leg.side, leg.isolated): leg for leg in legs}
    rows = range(len(by_name))
    account = Account(
        "a",
        balances=(
            Balance("USDT", draw(st.floats(-100.0, 50_000.0))),
            Balance("BTC", draw(st.floats(0.0, 100.0))),
        ),
        positions=tuple(by_name.values()),
    )
    return Patient(
        account,
        draw(limits),
        stops={row: draw(st.floats(5.0, 150.0)) for row in rows if draw(st.booleans())},
        budgets={row: draw(st.floats(0.0, 100.0)) for row in rows if draw(st.booleans())},
        funding_per_h={BTC: draw(st.floats(-0.01, 0.01)), ETH: draw(st.floats(-0.01, 0.01))},
        per_sqrt_s=draw(st.floats(1e-6, 2e-3)),
    )


@effort(40, 1_000)
@given(patients())
def test_doing_what_a_finding_says_clears_it(patient: Patient) -> None:
    for finding in patient.findings():
        assert finding.changes, finding
        for change in finding.changes:
            assert np.isfinite(change.amount)
            assert change.amount >= 0.0
            assert is_cleared(patient, finding, change), (finding, change)
