"""Every real tier table loads, and its published deductions are the ones that continuity gives."""

from fractions import Fraction

import numpy as np
import pytest

from service.contract.instruments import InstrumentDocument, TierDocument, to_instrument
from service.risk.markets import MarketTable
from service.risk.tiers import deductions
from tests.vectors.tables import binance_tables

TABLES = binance_tables()
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not TABLES, reason="the real tier tables are not here (PLIMSOLL_SHARED says where they are)"
    ),
]
LAST_BITS = 8  # units in the last place of a tier's gross requirement, over a dozen additions


def as_printed(number: float) -> Fraction:
    """The decimal number that the venue published."""
    return Fraction(repr(number))


def test_continuity_gives_every_published_deduction_exactly() -> None:
    differing = []
    for symbol, rows in TABLES.items():
        amount, rate_before = Fraction(0), as_printed(rows[0][2])
        for floor, _, rate, _, published in rows:
            amount += as_printed(floor) * (as_printed(rate) - rate_before)
            rate_before = as_printed(rate)
            if amount != as_printed(published):
                differing.append((symbol, floor))
    assert len(TABLES) == 907
    assert sum(len(rows) for rows in TABLES.values()) == 7_276
    assert not differing
    print(f"\n{len(TABLES)} symbols, 7276 tiers: every deduction is that of continuity, exactly")


def test_floats_give_every_published_deduction_to_the_last_bits() -> None:
    for symbol, rows in TABLES.items():
        table = np.array(rows)
        floor, rate, published = table[:, 0], table[:, 2], table[:, 4]
        allowed = LAST_BITS * np.spacing(np.maximum(published, floor * rate))
        assert np.all(np.abs(deductions(floor, rate) - published) <= allowed), symbol


def test_every_real_table_loads_as_a_client_writes_it() -> None:
    markets = MarketTable()
    for symbol, rows in TABLES.items():
        pair, _, settle = symbol.partition(":")
        base, _, quote = pair.partition("/")
        tiers = [
            TierDocument(floor, rate, cap, max_leverage=most) for floor, cap, rate, most, _ in rows
        ]
        document = InstrumentDocument(symbol, True, 1.0, base, quote, settle, tiers)
        markets.put_instrument(to_instrument(document))
        row = markets.market("binance", symbol)
        used = markets.tables().deduction[row, : len(rows)]
        assert markets.instrument(row) is not None
        assert np.allclose(used, [published for *_, published in rows], rtol=1e-12, atol=1e-9)
