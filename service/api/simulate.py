"""`POST /v1/simulate`: a body of accounts through scenarios; nothing is kept.

With a `map` it is about what is monitored, which `liquidation_map` answers; scenarios on more
monitored accounts than a body may have go to `book_scenarios`.
A book with a fault is refused whole: an account that is left out would change what others owe.
Between two scenarios the worker answers everybody else.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from fastapi import APIRouter, Request, Response

from service.api.bodies import BodyReader
from service.api.book_scenarios import BookScenarios
from service.api.comparing import compared
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.liquidation_map import LiquidationMaps
from service.api.load import EngineQueue
from service.api.monitored import Monitored
from service.api.overlay import check_prices, drop_marks, overlaid, venues_of
from service.api.replies import json_reply
from service.api.scenarios import action_of, funds_of, symbol_faults
from service.api.simulate_documents import SIMULATE
from service.api.simulated import Simulated, answer_scenario
from service.api.symbols import unknown_symbols, unlisted
from service.contract.accounts import to_account
from service.contract.liquidation_map import asks_for_map
from service.contract.problems import fault_answers
from service.contract.simulate import SimulateRequest, check_counts, decode_simulate
from service.contract.simulated import ScenarioAnswer, SimulateAnswer
from service.contract.supposed import Asked, count_of, policies_of, scenarios_of
from service.errors import Fault, InvalidInput, StoreUnavailable
from service.risk.batch import build_batch
from service.risk.columns import Batch
from service.risk.markets import MarketTable
from service.risk.model import Account, PoolKey
from service.risk.policy import PolicyColumns
from service.risk.reports import Basis
from service.risk.simulate.actions import Impossible, acted
from service.risk.simulate.run import run

ERRORS_MAX = 10


def build_simulate_router(
    entrance: Entrance,
    follower: MarketFollower,
    bodies: BodyReader,
    limits: Limits,
    *,
    queue: EngineQueue,
    maps: LiquidationMaps,
    books: BookScenarios,
    monitored: Monitored,
) -> APIRouter:
    """Build the route that simulates; accounts of a body need the worker's own picture alone."""
    router = APIRouter(prefix="/v1", tags=["simulate"])

    @router.post("/simulate", response_class=Response, openapi_extra=SIMULATE)
    async def simulate(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        queue.check()
        body, _ = await bodies.read(request)
        if asks_for_map(body):
            return await maps.answer(request, caller, body)
        whole = await monitored.body_of(caller, body)
        if whole is None:
            return await books.answer(request, caller, body)
        async with queue.turn(len(whole)):
            check_counts(whole, limits.accounts_max, limits.scenarios_max)
            asked = decode_simulate(whole)
            await entrance.charge(request, caller, _work(asked, limits))
            return json_reply(await _simulated(asked, follower))

    return router


def _work(asked: SimulateRequest, limits: Limits) -> int:
    """Return how many looks at an account, or a position, are asked for; raises TooManyItems."""
    positions = limits.check_positions(asked.accounts)
    check_prices(asked, len(venues_of(asked.accounts)), limits)
    scenarios, steps = count_of(asked)
    work = steps * max(len(asked.accounts), positions) * (1 if asked.compare is None else 2)
    limits.check_simulated(scenarios, work)
    return work


@dataclass(frozen=True, slots=True)
class _Book:
    """The accounts of a body, on one basis."""

    accounts: Sequence[Account]
    table: MarketTable
    batch: Batch
    keys: list[list[PoolKey]]


async def _simulated(asked: SimulateRequest, follower: MarketFollower) -> SimulateAnswer:
    scenarios, policies = scenarios_of(asked), policies_of(asked.policies or {})
    book = _book(asked, follower, asked.price_basis)
    other = None if asked.compare is None else _book(asked, follower, asked.compare)
    if faults := symbol_faults(asked, lambda symbol: _is_seen(symbol, book)):
        raise InvalidInput.of(*faults[:ERRORS_MAX])
    answers: list[ScenarioAnswer] = []
    problems: list[Fault] = []
    for index, each in enumerate(scenarios):
        await asyncio.sleep(0)  # others first
        found = _ran(asked, each, book, policies)
        told = answer_scenario(found, each, index, all_=asked.detail == "all")
        finite = found.is_finite()
        if other is not None and asked.compare is not None:
            mirrored = _ran(asked, each, other, policies)
            finite &= mirrored.is_finite()
            told.comparison = compared(found, mirrored, asked.price_basis, asked.compare)
        if finite:
            answers.append(told)
        else:
            where = each.pointer or "/grid"
            problems.append(Fault(where, "out_of_range", "a figure is too large for a number"))
    if not answers:
        raise InvalidInput.of(*problems[:ERRORS_MAX])
    return SimulateAnswer(
        int(time.time() * 1_000), asked.price_basis, answers, fault_answers(problems)
    )


def _book(asked: SimulateRequest, follower: MarketFollower, basis: Basis) -> _Book:
    """Return the accounts on a basis; raises InvalidInput, StoreUnavailable."""
    venues = venues_of(asked.accounts)
    table = overlaid(asked, asked.instruments or (), venues, follower.table, basis)
    missing, seen = unlisted(asked.accounts, table), set[str]()
    accounts: list[Account] = []
    faults: list[Fault] = []
    for place, document in enumerate(asked.accounts):
        pointer = f"/accounts/{place}"
        if document.id in seen:
            detail = "this id is listed more than once"
            faults.append(Fault(f"{pointer}/id", "duplicate_id", detail))
        seen.add(document.id)
        try:
            faults += unknown_symbols(document, missing, pointer)
            accounts.append(to_account(drop_marks(document, asked, basis), document.id, pointer))
        except InvalidInput as error:
            faults += error.faults
    if not follower.known and any(fault.code == "unknown_symbol" for fault in faults):
        raise StoreUnavailable("the instruments are not known yet: give them in the body")
    if faults:
        raise InvalidInput.of(*faults[:ERRORS_MAX])
    return _Book(accounts, table, *build_batch(accounts, table))


def _is_seen(symbol: str, book: _Book) -> bool:
    """Say whether an account's venue lists a symbol, or prices anything by it."""
    venues = {account.venue for account in book.accounts}
    return any(
        book.table.find_instrument(venue, symbol) or book.table.find_report(venue, symbol)
        for venue in venues
    )


def _ran(asked: SimulateRequest, each: Asked, book: _Book, policies: PolicyColumns) -> Simulated:
    """Take the book through one scenario, actions first."""
    accounts, batch, keys = book.accounts, book.batch, book.keys
    with np.errstate(all="ignore"):  # what overflows is found and left out
        if each.actions:
            accounts = _acted(each, book)
            batch, keys = build_batch(accounts, book.table)
        funds = funds_of(asked.funds or (), batch, book.table)
        outcome = run(batch, book.table, each.scenario, funds, policies)
    flat = [key for own in keys for key in own]
    return Simulated(accounts, flat, batch, book.table, asked.funds or (), funds, outcome)


def _acted(each: Asked, book: _Book) -> Sequence[Account]:
    """Return the accounts after a scenario's actions; raises InvalidInput."""
    accounts = {account.account_key: account for account in book.accounts}
    for index, document in enumerate(each.actions):
        pointer = f"{each.pointer}/actions/{index}"
        account = accounts.get(document.account_id)
        if account is None:
            detail = "no account of the body has this id"
            raise InvalidInput.of(Fault(f"{pointer}/accountId", "unknown_account", detail))
        instrument_of = partial(book.table.find_instrument, account.venue)
        try:
            accounts[document.account_id] = acted(account, action_of(document), instrument_of)
        except Impossible as error:
            raise InvalidInput.of(Fault(pointer, error.code, error.detail)) from None
    return list(accounts.values())
