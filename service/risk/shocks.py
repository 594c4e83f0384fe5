"""What moves when a symbol does: its marks, and coins with the symbol they are the base of.

It is told from symbols and instruments alone, which all parts of a book share, so a move is the
same in every part.
"""

from dataclasses import dataclass

import numpy as np

from service.risk.columns import Bools, Floats
from service.risk.markets import MarketTable
from service.risk.symbols import STABLE_QUOTES, base_of


@dataclass(frozen=True, slots=True)
class Shock:
    """What moves, and by which factors, a point each."""

    markets: Bools
    assets: Bools  # whose price moves
    factor: Floats  # > 0
    everything: bool  # of all symbols: pools count whatever they hold


def shock_of(table: MarketTable, symbol: str | None, venue: str | None, factor: Floats) -> Shock:
    """Return the move of a symbol (None: of all), as accounts of a venue (None: of all) see it."""
    assert np.all(factor > 0.0)
    markets = np.zeros(len(table.columns().mark), np.bool_)
    for row in range(len(markets)):
        at, name = table.market_key(row)
        markets[row] = venue in (None, at) and symbol in (None, name)
    assets = np.zeros(len(table.asset_prices()), np.bool_)
    for number in range(len(assets)):
        at, name = table.asset_key(number)
        assets[number] = venue in (None, at) and _is_base(table, at, name, symbol)
    return Shock(markets, assets, factor, symbol is None)


def _is_base(table: MarketTable, venue: str, asset: str, symbol: str | None) -> bool:
    """Whether an asset is the base of a symbol; of one symbol or another (None) all coins are.

    What is counted at exactly 1 USD goes with no contract.
    """
    if asset in table.pegged:
        return False
    if symbol is None:
        return asset not in STABLE_QUOTES
    listed = table.find_instrument(venue, symbol)
    return (listed.base if listed else base_of(symbol)) == asset
