"""The answer to scenarios on a monitored book that is settled by sums; what they cannot tell."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from service.contract.alerts import LevelName
from service.contract.evaluate_request import PriceBasis
from service.contract.evaluation import Figure
from service.contract.liquidation_map import MarketIds
from service.contract.problems import FaultAnswer
from service.contract.simulate import MonitoredRequest
from service.contract.simulated import AssetTotal, FundAnswer
from service.errors import Fault


class MissingMoney(Struct, rename="camel"):
    """What closing an account's pools of an asset leaves missing, whoever pays it."""

    asset: str
    shortfall: float


class WorstAccount(Struct, rename="camel"):
    """An account that falls short; `level` is the worst on the way."""

    id: str
    level: LevelName
    shortfall_usd: float
    money: list[MissingMoney]


class BookScenario(Struct, rename="camel"):
    """One scenario on the whole book; a total in USD is null where an asset has no price."""

    name: str | None
    index: Annotated[int, Meta(description="Of the scenarios, then of the grid's.")]
    moves: Annotated[dict[str, float] | None, Meta(description="The grid's, `*` for all.")]
    levels: Annotated[dict[str, int], Meta(description="Accounts by level.")]
    notional_usd: Figure
    shortfall_usd: Figure
    owed_usd: Figure
    totals: list[AssetTotal]
    funds: list[FundAnswer]
    worst: Annotated[list[WorstAccount], Meta(description="By `shortfallUsd`, the most first.")]
    unranked: Annotated[int, Meta(description="Short of an asset without a price in USD.")]


class BookAnswer(Struct, rename="camel"):
    """Scenarios settled by sums: nobody is deleveraged one by one, and no account is listed."""

    timestamp: int
    settled_by: Literal["sums"]
    price_basis: PriceBasis
    market_ids: MarketIds
    accounts: int
    scenarios: list[BookScenario]
    problems: list[FaultAnswer]


def book_faults(asked: MonitoredRequest) -> list[Fault]:
    """Return a fault for each thing that sums have no answer to."""
    detail = "a book that is settled by sums has none of this; `docs/simulate.md` says what it has"
    return [Fault(pointer, "not_by_sums", detail) for pointer in _left_out(asked)]


def _left_out(asked: MonitoredRequest) -> Iterator[str]:
    """Yield where something stands that needs the accounts themselves, or each other."""
    for name, given in (
        ("marks", asked.marks),
        ("lastPrices", asked.last_prices),
        ("indexPrices", asked.index_prices),
        ("priceBasis", asked.price_basis != "mark"),
        ("instruments", asked.instruments),
        ("compare", asked.compare),
        ("detail", asked.detail == "all"),
    ):
        if given:
            yield f"/{name}"
    for index, scenario in enumerate(asked.scenarios or ()):
        if scenario.actions:
            yield f"/scenarios/{index}/actions"
        if scenario.cascade is not None:
            yield f"/scenarios/{index}/cascade"
    if asked.grid is not None and asked.grid.cascade is not None:
        yield "/grid/cascade"
