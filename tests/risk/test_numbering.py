"""No figure hangs on which market was seen first: a restarted monitor numbers them anew."""

import random
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from service.risk.batch import build_batch
from service.risk.evaluate import assess, prices
from service.risk.markets import MarketTable
from service.risk.model import Account, Balance, Mark, Position
from service.risk.restore import owed, to_restore
from tests.risk.building import THREE_TIERS, contract

LINEAR = tuple(f"S{number}/USDT:USDT" for number in range(6))
SYMBOLS = (*LINEAR, "S0/USD:S0", "S1/USD:S1")
ASSETS = ("USDT", "S0", "S1", "S2")


def account(source: random.Random, mode: Any) -> Account:
    """Long and short in every symbol, hedged in some, backed by everything there is."""
    held = [*SYMBOLS, *source.sample(SYMBOLS, 3)]
    positions = [
        Position(symbol, source.uniform(1.0, 9.0) * (1 if at < len(SYMBOLS) else -1), price)
        for at, symbol in enumerate(held)
        for price in [source.uniform(90.0, 110.0)]
    ]
    balances = tuple(Balance(asset, source.uniform(0.1, 9.0), 0.9) for asset in ASSETS)
    return Account("a", "binance", mode, balances, tuple(positions))


def figures(account: Account, table: MarketTable) -> dict[str, Any]:
    """Everything that is told of an account, but for the numbers of its tiers."""
    batch, keys = build_batch([account], table)
    assessment = assess(batch)
    parts = (assessment.pools, assessment.legs, prices(batch, assessment))
    told = {
        f"{type(part).__name__}.{field.name}": getattr(part, field.name)
        for part in parts
        for field in fields(part)
    }
    del told["LegFigures.tier"]
    restored = to_restore(batch, assessment)
    more = {"deposit": restored.deposit, "reduce": restored.reduce, "owed": owed(batch, assessment)}
    return told | more | {"keys": keys}


def table_of(marks: dict[str, float], symbols: list[str], assets: list[str]) -> MarketTable:
    """The same market, its symbols and assets registered in this order."""
    table = MarketTable()
    for symbol in symbols:
        table.market("binance", symbol)
    for asset in assets:
        table.asset("binance", asset)
    for symbol in SYMBOLS:
        table.put_instrument(contract(symbol, THREE_TIERS))
    for symbol, price in marks.items():
        table.put_mark(Mark(symbol, price))
    return table


@pytest.mark.parametrize("mode", ["single", "multi"])
@pytest.mark.parametrize("seed", range(20))
def test_figures_are_the_same_to_the_last_bit_however_markets_are_numbered(
    seed: int, mode: str
) -> None:
    source = random.Random(seed)
    held = account(source, mode)
    marks = {symbol: source.uniform(80.0, 120.0) for symbol in SYMBOLS} | {"USDT/USD": 0.999}
    ours, theirs = (
        figures(
            held,
            table_of(
                marks, source.sample(SYMBOLS, len(SYMBOLS)), source.sample(ASSETS, len(ASSETS))
            ),
        )
        for _ in range(2)
    )
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
