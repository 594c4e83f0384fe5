"""How much money stands at each level: summed up by the audit, which goes by every pool anyway.

The sums are those of the last whole sweep, so they are as old as one takes (twenty seconds, longer
over very many pools) and cost next to nothing. A shadow's pools count too while its shard changes
hands.
"""

from collections import defaultdict

import numpy as np

from service.contract.alerts import LEVEL_NAMES
from service.contract.money import MoneyAtLevel
from service.monitor.judging import Judgement
from service.risk.book import Book
from service.risk.columns import Floats


class MoneySweep:
    """Adds up what the audit judges; `told` is of the last whole sweep, none before the first."""

    def __init__(self) -> None:
        self.told: list[MoneyAtLevel] = []
        self._sums: dict[tuple[int, int], Floats] = defaultdict(lambda: np.zeros(3))

    def add(self, book: Book, judged: Judgement) -> None:
        """Add these pools to the sweep; those that miss a mark have no figures to be added."""
        figures, slots = judged.figures, judged.slots
        priced = np.flatnonzero(~figures.unpriced & np.isfinite(figures.equity))
        equity = figures.equity[priced]
        money = np.stack([equity, figures.maintenance_margin[priced], np.maximum(0.0, -equity)])
        levels = book.pools.level[slots[priced]].astype(np.int64)
        settles = book.pools.settle[slots[priced]].astype(np.int64)
        codes = settles * len(LEVEL_NAMES) + levels
        for code in np.unique(codes).tolist():
            self._sums[divmod(code, len(LEVEL_NAMES))] += money[:, codes == code].sum(axis=1)

    def end(self, book: Book) -> None:
        """The sweep was by every pool: its sums are told from now on."""
        self.told = [
            MoneyAtLevel(LEVEL_NAMES[level], book.table.asset_name(settle), *sums.tolist())
            for (settle, level), sums in sorted(self._sums.items())
        ]
        self._sums.clear()

    def restart(self) -> None:
        """The pools have other places now: the sweep begins again."""
        self._sums.clear()
