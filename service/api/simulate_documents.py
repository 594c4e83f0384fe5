"""What OpenAPI says of the simulate call: scenarios on a body of accounts, or a map of the book."""

import json
from typing import Any

from service.api import book_examples, map_examples
from service.api.bodies import JSON, NDJSON
from service.api.documents import BODY_ERRORS, Document, operation, reference
from service.api.simulate_examples import SIMULATE as SCENARIOS
from service.api.simulate_examples import SIMULATE_ANSWER
from service.contract.book_scenarios import BookAnswer
from service.contract.liquidation_map import MapAnswer, MapRequest
from service.contract.simulate import MonitoredRequest, SimulateRequest
from service.contract.simulated import SimulateAnswer
from service.errors import MonitorUnavailable, StoreUnavailable, TooManyItems

_BY_LINE = (
    "Of a map, or settled by sums: how far it is, after each part of the book; last the result, or "
    "the problem that ended it."
)


def _any_of(*records: object, **examples: Any) -> Document:
    """Return JSON that is one of some records, with examples by name."""
    return {
        "schema": {"anyOf": [reference(record) for record in records]},
        "examples": {name: {"value": example} for name, example in examples.items()},
    }


def _answer() -> Document:
    lines = "".join(f"{json.dumps(line)}\n" for line in map_examples.LINES)
    by_line = {"schema": {"type": "string", "description": _BY_LINE}, "example": lines}
    either = _any_of(
        SimulateAnswer,
        BookAnswer,
        MapAnswer,
        scenarios=SIMULATE_ANSWER,
        sums=book_examples.ANSWER,
        map=map_examples.ANSWER,
    )
    description = "The scenarios that could be worked out, or the liquidation map."
    return {"description": description, "content": {JSON: either, NDJSON: by_line}}


_MONITORED = {"accounts": "monitored", "scenarios": [{"shocks": {"allPct": -10}}]}
_RECORDS = _any_of(
    SimulateRequest,
    MonitoredRequest,
    MapRequest,
    scenarios=SCENARIOS,
    monitored=_MONITORED,
    sums=book_examples.REQUEST,
    map=map_examples.REQUEST,
)
_BODY = {"required": True, "content": {JSON: _RECORDS}}
SIMULATE = operation(
    "simulate",
    "Simulate scenarios on accounts, or map what is monitored: who is liquidated, pays, owes",
    {200: _answer()},
    body=_BODY,
    errors=(*BODY_ERRORS, TooManyItems, StoreUnavailable, MonitorUnavailable),
    access="evaluate",
)
