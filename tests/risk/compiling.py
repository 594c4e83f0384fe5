"""In a process of its own: what is compiled when batches of every kind follow on a warm-up."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from service.risk.aftermath import aftermath
from service.risk.batch import build_batch
from service.risk.book import Book
from service.risk.columns import Batch
from service.risk.compiled import Direct
from service.risk.evaluate import assess, prices, select, warm_up
from service.risk.markets import MarketTable
from service.risk.model import Mark
from service.risk.restore import to_restore
from service.risk.summary import summarise
from service.risk.totals import account_totals
from service.risk.worded import Known, worded
from tests.risk.building import BTC
from tests.risk.test_evaluate import market, varied


def variants() -> int:
    """Return how many variants, by types of the columns, there are of all compiled functions."""
    modules = [module for name, module in sys.modules.items() if name.startswith("service.risk.")]
    members = [member for module in modules for member in vars(module).values()]
    members = [each.function if isinstance(each, Direct) else each for each in members]
    return sum(len(member.signatures) for member in members if isinstance(member, Dispatcher))


def batches() -> Iterator[Batch]:
    """Yield batches of no account to several, of a request, over a layer, of the book."""
    table = market()
    for many in range(len(varied()) + 1):
        yield build_batch(varied()[:many], table)[0]
    crowd = [
        replace(each, account_key=f"{each.account_key}{at}")
        for at in range(20)
        for each in varied()
    ]
    yield build_batch(crowd, table)[0]
    everybody = build_batch(varied(), table)[0]
    yield select(everybody, np.array([0]))
    yield select(everybody, np.array([3, 1]))
    layer = MarketTable(table)
    layer.put_mark(Mark(BTC, 101.0))
    yield build_batch(varied(), layer)[0]
    book = Book(table)
    book.put([replace(each, account_key=str(at)) for at, each in enumerate(varied())])
    yield book.batch(book.live_slots())
    yield book.batch(book.live_slots()[:1])


def evaluate(batch: Batch) -> None:
    assessment = assess(batch)
    prices(batch, assessment)
    to_restore(batch, assessment, assessment.pools.level)
    accounts = int(batch.pools.account.max(initial=-1)) + 1
    for beta in (None, np.full(len(batch.markets.mark), 0.5)):
        found = summarise(batch, assessment, accounts, assessment.pools.level, beta=beta)
    known = Known(assessment.pools.level, found.restored.deposit, found.totals.settle, True)
    worded(batch, assessment, known)
    account_totals(batch, assessment, accounts)
    aftermath(batch, assessment, np.full(len(batch.legs.pool), 0.9))


def _at_every_call(self: Direct, *arguments: Any) -> Any:
    """Find out the types at every call, not at the first alone."""
    return self.function(*arguments)


def main() -> None:
    """Print the variants after the warm-up, after all these batches, and after an odd one."""
    Direct.__call__ = _at_every_call  # type: ignore[method-assign]
    warm_up()
    warm = variants()
    for batch in batches():
        evaluate(batch)
    later = variants()
    batch.legs.contracts = np.repeat(batch.legs.contracts, 2)[::2]
    assess(batch)  # one function of all: each takes seconds
    print(warm, later, variants())


if __name__ == "__main__":
    main()
