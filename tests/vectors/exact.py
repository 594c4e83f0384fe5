"""The reference asked as if it were the API: as much of an answer as the published numbers need."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import orjson

from service.contract.accounts import to_account
from service.contract.evaluate_request import decode_request
from service.contract.instruments import to_instrument
from tests.reference.evaluate import Answer, LegAnswer, PoolAnswer, evaluate
from tests.reference.world import World
from tests.vectors.asking import Ask


def evaluate_by_reference() -> Ask:
    """Return a function that answers a body exactly, marks and contracts from the body alone."""
    return answer


def answer(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    request, _, faults = decode_request(orjson.dumps(asked), 10)
    assert not faults
    listed = [to_instrument(document) for document in request.instruments or ()]
    world = World(instruments={(one.venue, one.symbol): one for one in listed})
    found = [evaluate(to_account(document, document.id), world) for document in request.accounts]
    pairs = zip(found, asked["accounts"], strict=True)
    return {"accounts": [account_of(one, account) for one, account in pairs]}


def number(exact: Fraction | None) -> float | None:
    return None if exact is None else float(exact)


def account_of(found: Answer, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Positions in the order they were asked; rows of no contracts left out, as the API does."""
    legs = {
        (leg.position.symbol, leg.position.side): position_of(leg)
        for pool in found.pools
        for leg in pool.legs
    }
    order = [(row["symbol"], row["side"]) for row in asked.get("positions", ())]
    return {
        "level": found.level.name,
        "pools": [pool_of(pool) for pool in found.pools],
        "positions": [legs[name] for name in order if name in legs],
    }


def pool_of(pool: PoolAnswer) -> dict[str, Any]:
    worth = pool.worth
    assert worth is not None
    health = worth.equity / worth.maintenance if worth.maintenance else None
    ratio = worth.maintenance / worth.equity if worth.equity > 0 else None
    return {
        "equity": number(worth.equity),
        "initialMargin": number(worth.initial),
        "maintenanceMargin": number(worth.maintenance),
        "healthFactor": number(health),
        "marginRatio": number(ratio),
    }


def position_of(leg: LegAnswer) -> dict[str, Any]:
    return {
        "notional": number(leg.notional),
        "unrealizedPnl": number(leg.unrealised_pnl),
        "initialMargin": number(leg.initial_margin),
        "maintenanceMargin": number(leg.maintenance_margin),
        "liquidationPrice": number(leg.prices.liquidation),
        "bankruptcyPrice": number(leg.prices.bankruptcy),
    }
