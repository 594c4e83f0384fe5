"""`POST /v1/simulate`: what if; so far the liquidation map of all monitored accounts."""

from fastapi import APIRouter, Request, Response

from service.api import map_examples
from service.api.bodies import BodyReader
from service.api.documents import BODY_ERRORS, json_body, operation
from service.api.entrance import Entrance
from service.api.liquidation_map import LiquidationMaps
from service.contract.liquidation_map import MapRequest
from service.errors import MonitorUnavailable, StoreUnavailable


def build_simulate_router(
    entrance: Entrance, bodies: BodyReader, maps: LiquidationMaps
) -> APIRouter:
    """Build the route that supposes."""
    router = APIRouter(prefix="/v1", tags=["simulate"])

    @router.post("/simulate", response_class=Response, openapi_extra=_SIMULATE)
    async def simulate(request: Request) -> Response:
        caller = await entrance.admit_list(request, "evaluate")
        body, _ = await bodies.read(request)
        return await maps.answer(request, caller, body)

    return router


_SIMULATE = operation(
    "simulate",
    "Suppose moves of the marks: who is liquidated, what is missing, who pays",
    {200: map_examples.ANSWER},
    body=json_body(MapRequest, map_examples.REQUEST),
    errors=(*BODY_ERRORS, MonitorUnavailable, StoreUnavailable),
    access="evaluate",
)
