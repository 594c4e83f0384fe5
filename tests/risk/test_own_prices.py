"""A price that an evaluate call gives with a balance serves its pool where the stream has none."""

import pytest

from service.risk.batch import build_batch
from service.risk.evaluate import assess
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Instrument, Level, Mark, Position, Tier

INSTRUMENT = Instrument(
    "BTC/USDT:USDT", True, 1.0, "BTC", "USDT", "USDT", (Tier(0.0, float("inf"), 0.005),)
)
POSITION = Position("BTC/USDT:USDT", 1.0, 50_000.0)


def assessed(*balances: Balance, streamed: float | None = None) -> tuple[float, Level]:
    """Equity and level of a multi-asset account whose BTC stands at 52,000 USDT."""
    table = MarketTable()
    table.put_instrument(INSTRUMENT)
    table.put_mark(Mark("BTC/USDT:USDT", 52_000.0))
    if streamed is not None:
        table.put_mark(Mark("USDT/USD", streamed))
    account = Account("a1", collateral_mode="multi", balances=balances, positions=(POSITION,))
    batch, _ = build_batch([account], table)
    pools = assess(batch).pools
    return float(pools.equity[0]), Level(int(pools.level[0]))


def test_the_balances_own_price_counts_the_profit_too() -> None:
    equity, level = assessed(Balance("USDT", 10_000.0, price=0.99))
    assert equity == pytest.approx(0.99 * 12_000.0)
    assert level is Level.HEALTHY


def test_nothing_of_an_asset_may_still_say_its_price() -> None:
    equity, _ = assessed(Balance("USD", 10_000.0), Balance("USDT", 0.0, price=0.5))
    assert equity == pytest.approx(10_000.0 + 0.5 * 2_000.0)


def test_the_stream_goes_before_what_the_call_says() -> None:
    equity, _ = assessed(Balance("USDT", 10_000.0, price=0.5), streamed=1.0)
    assert equity == pytest.approx(12_000.0)


def test_without_either_the_pool_is_unpriced() -> None:
    _, level = assessed(Balance("USD", 10_000.0), Balance("USDC", 1.0, price=1.0))
    assert level is Level.UNPRICED
