"""How little an evaluation could take, were its reading, numbering and writing for nothing.

Two things are left of it: its bytes have to come and go over HTTP, which a route does that looks at
none of them, and the figures have to be found, which compiled code does on columns that are there.
In rows, in Arrow, and in Arrow for liquidation prices alone.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import orjson

from service.api.answers import no_standing
from service.api.bodies import ARROW, JSON
from service.api.calls import read_listed
from service.api.figures import Figures, Supposed, figures_of
from service.api.limits import Limits
from service.contract.accounts import to_account
from service.contract.chosen import EVERYTHING, Chosen, read_chosen
from service.risk.batch import build_batch
from service.risk.columns import Batch, Floats
from service.risk.evaluate import assess
from service.risk.levels import held_back
from tests.benchmarks.bench_evaluate import SEED, market
from tests.benchmarks.bench_rows import Worker, in_arrow, instruments, request_of, rows_worker
from tests.benchmarks.harness import Measurement, Size, hash_of
from tests.benchmarks.whole_service import whole_service

COUNTS: dict[Size, tuple[int, ...]] = {"small": (1, 100), "full": (1, 1_000, 10_000)}
ROUNDS = 5
PRICES = "positions.liquidationPrice"


class Form(NamedTuple):
    """A way to ask, and what is found then."""

    name: str
    path: str
    body: bytes
    media_type: str
    chosen: Chosen


class _Parts(NamedTuple):
    """Of one form what each round's median call took: all of it, its bytes, its figures."""

    whole_s: list[float]
    bytes_s: list[float]
    figures_s: list[float]


def run(size: Size) -> Iterator[Measurement]:
    yield from asyncio.run(_measured(size))


async def _measured(size: Size) -> list[Measurement]:
    async with whole_service() as service:
        await service.fill(instruments(), [])
        with rows_worker(f"unix://{service.socket}") as worker:
            found = [each for count in COUNTS[size] for each in _compared(worker, count)]
        service.check_log()
        return found


def forms_of(positions: int) -> list[Form]:
    rows, path = request_of(positions), "/v1/evaluate"
    tables = in_arrow(rows)
    return [
        Form("rows", path, rows, JSON, EVERYTHING),
        Form("Arrow", f"{path}?table=all", tables, ARROW, EVERYTHING),
        Form("Arrow, prices", f"{path}?fields={PRICES}", tables, ARROW, read_chosen(PRICES)),
    ]


def _compared(worker: Worker, positions: int) -> Iterator[Measurement]:
    forms = forms_of(positions)
    batch, accounts = _columns(forms[0].body)
    calls = max(5, 200 // positions)
    prices = _figures(batch, accounts, EVERYTHING).solved.liquidation
    assert np.array_equal(prices, _prices_told(worker, forms[0]), equal_nan=True)
    parts: dict[str, _Parts] = {form.name: _Parts([], [], []) for form in forms}
    for _ in range(ROUNDS):
        for form in forms:
            ask = partial(worker.call, "POST", form.path, form.body, form.media_type)
            worker.call("PUT", "/same", ask())
            nothing = partial(worker.call, "POST", "/same", form.body, form.media_type)
            find = partial(_figures, batch, accounts, form.chosen)
            works: tuple[Callable[[], object], ...] = (ask, nothing, find)
            for part, work in zip(parts[form.name], works, strict=True):
                part.append(_median_s(work, calls))
    rows_s = statistics.median(parts["rows"].whole_s)
    for form in forms:
        whole_s, bytes_s, figures_s = map(statistics.median, parts[form.name])
        yield Measurement(
            f"an evaluation over HTTP, {form.name}",
            {"accounts": accounts, "positions": positions},
            SEED,
            whole_s,
            "the same bytes over HTTP, and the compiled figures",
            bytes_s + figures_s,
            hash_of(prices),
            {
                "bytes_ms": 1e3 * bytes_s,
                "figures_ms": 1e3 * figures_s,
                "least_of_rows": (bytes_s + figures_s) / rows_s,
            },
        )


def _prices_told(worker: Worker, rows: Form) -> Floats:
    """Return the liquidation prices of an answer in rows, NaN where there is none."""
    answer = orjson.loads(worker.call("POST", rows.path, rows.body))
    held = chain.from_iterable(account["positions"] for account in answer["accounts"])
    return np.array([each["liquidationPrice"] for each in held], np.float64)


def _columns(body: bytes) -> tuple[Batch, int]:
    """Return a call's accounts as columns, at the marks that are in it, and how many there are."""
    asked = read_listed(body, Limits()).question
    records = [to_account(account, account.id) for account in asked.accounts]
    return build_batch(records, market())[0], len(records)


def _figures(batch: Batch, accounts: int, chosen: Chosen) -> Figures:
    with np.errstate(all="ignore"):
        assessment = assess(batch)
        pools = assessment.pools
        level = held_back(pools.level, no_standing(batch), pools.most)
        supposed = Supposed()
        return figures_of(
            batch, assessment, (), accounts, level=level, supposed=supposed, chosen=chosen
        )


def _median_s(call: Callable[[], object], calls: int) -> float:
    taken_s = []
    for _ in range(calls):
        began_s = time.perf_counter()
        call()
        taken_s.append(time.perf_counter() - began_s)
    return statistics.median(taken_s)
