"""Parts of a liquidation map added up, settled by venue and asset, and written as answered."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from service.contract.liquidation_map import (
    MapAnswer,
    MapAsked,
    MapMoney,
    MapPoint,
    MarketIds,
)
from service.contract.map_parts import MapCell, MapPart
from service.contract.simulate import SupposedFund
from service.risk.columns import Floats, Ints
from service.risk.map_payers import Payers, paid
from service.risk.venues import rule_index
from service.risk.walking import LONG, POOLS, SHORT, SHORTFALL

Key = tuple[str, str]  # venue, asset


def moves_of(asked: MapAsked) -> Floats:
    """Return the moves of a map, in percent."""
    moves: Floats = np.linspace(asked.from_pct, asked.to_pct, asked.points)
    return moves


@dataclass(slots=True)
class Cell:
    """Money of one asset at one venue; the price is that of the first part that came."""

    price: Floats  # USD, by point
    sums: Floats  # (points, fields)


Cells: TypeAlias = dict[Key, Cell]


def add_cells(cells: Cells, parts: Iterable[MapCell]) -> None:
    """Add what a shard says of its cells."""
    for part in parts:
        sums = np.array(part.sums).reshape(len(part.price), -1)
        known = cells.get((part.venue, part.asset))
        if known is None:
            cells[part.venue, part.asset] = Cell(np.array(part.price), sums)
        else:
            known.sums += sums


@dataclass(slots=True)
class MapSums:
    """What has come so far."""

    points: int
    accounts: int = 0
    _pools: int = 0
    _unpriced: int = 0
    _market_ids: list[int] = field(default_factory=list)
    _liquidated: Ints = field(init=False)
    _short: Ints = field(init=False)
    _cells: Cells = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._liquidated, self._short = np.zeros((2, self.points), np.int64)

    def add(self, part: MapPart) -> None:
        """Add a shard's."""
        self.accounts += part.accounts
        self._pools += part.pools
        self._unpriced += part.unpriced
        self._market_ids.append(part.market_id)
        self._liquidated += np.array(part.liquidated, np.int64)
        self._short += np.array(part.short, np.int64)
        add_cells(self._cells, part.cells)

    def answer(self, asked: MapAsked, funds: Sequence[SupposedFund]) -> MapAnswer:
        """Settle and return everything."""
        keys, held = sorted(self._cells), _balances(funds)
        payers = {
            key: paid(self._cells[key].sums, rule_index(key[0]), held.get(key, np.inf))
            for key in keys
        }
        moves = moves_of(asked).tolist()
        return MapAnswer(
            timestamp=int(time.time() * 1_000),
            symbol=asked.symbol,
            venue=asked.venue,
            market_ids=MarketIds(min(self._market_ids), max(self._market_ids)),
            accounts=self.accounts,
            pools=self._pools,
            unpriced_pools=self._unpriced,
            points=[self._point(point, move, payers) for point, move in enumerate(moves)],
        )

    def _point(self, point: int, move: float, payers: Mapping[Key, Payers]) -> MapPoint:
        money = list(self._money(point, payers))
        price = [float(self._cells[row.venue, row.asset].price[point]) for row in money]
        return MapPoint(
            move_pct=move,
            accounts=int(self._liquidated[point]),
            accounts_short=int(self._short[point]),
            pools=sum(row.pools for row in money),
            notional_usd=usd(
                [_known(row.long_notional, row.short_notional) for row in money], price
            ),
            shortfall_usd=usd([_known(row.shortfall) for row in money], price),
            owed_usd=usd([_known(row.owed) for row in money], price),
            by_asset=money,
        )

    def _money(self, point: int, payers: Mapping[Key, Payers]) -> Iterator[MapMoney]:
        """Yield the rows of a point: every asset that anything is liquidated in there."""
        for (venue, asset), paid_by in payers.items():
            row = self._cells[venue, asset].sums[point].tolist()
            if row[POOLS]:
                balance = float(paid_by.balance[point])
                yield MapMoney(
                    venue=venue,
                    asset=asset,
                    pools=int(row[POOLS]),
                    long_notional=row[LONG],
                    short_notional=row[SHORT],
                    shortfall=row[SHORTFALL],
                    fund=float(paid_by.fund[point]),
                    deleveraged=float(paid_by.deleveraged[point]),
                    socialised=float(paid_by.socialised[point]),
                    owed=float(paid_by.owed[point]),
                    venue_pays=float(paid_by.venue[point]),
                    fund_after=balance if np.isfinite(balance) else None,
                )


def _balances(funds: Sequence[SupposedFund]) -> dict[Key, float]:
    return {(fund.venue, fund.asset): fund.balance for fund in funds}


def _known(*figures: float | None) -> float:
    return sum(np.nan if figure is None else figure for figure in figures)


def usd(money: Sequence[float], price: Sequence[float]) -> float | None:
    """Return a total in USD; None where an amount that is not 0 has no price."""
    total = sum(amount * each for amount, each in zip(money, price, strict=True) if amount)
    return total if np.isfinite(total) else None
