"""ccxt's real classes of seven venues on loopback: their objects, unchanged, and our prices."""

import pytest

from tests.sync.mock_rest import NAMES
from tests.sync.report import all_rows, table

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")
pytestmark = pytest.mark.anyio

EXPLAINED = {"gate": "fully_collateralised", "bitget": "off by 0.0000"}


async def test_each_venues_own_liquidation_price_is_ours_or_the_difference_is_explained() -> None:
    rows = await all_rows()
    print("\n" + table(rows))
    assert [row.exchange for row in rows] == list(NAMES)
    for row in rows:
        if row.exchange in EXPLAINED:
            assert row.explained.endswith(EXPLAINED[row.exchange])
        else:
            assert row.within_a_tick, row
