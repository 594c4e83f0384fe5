"""`GET /v1/alerts/{id}/explain`: an alert derived again from what is recorded, line by line.

Page and command line ask the same call, so they say the same, and who asks for another tenant's
alert is told that there is none.
"""

from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.documents import answer, operation, path_parameter
from service.api.entrance import Entrance
from service.api.queries import Query
from service.api.replies import json_reply
from service.contract.alerts import ALERT_ID_PATTERN, read_alert_id
from service.contract.audited import AuditedAlert, AuditedField, AuditedMark, AuditStep
from service.contract.examples import ALERT
from service.errors import InvalidInput, NoLongerKept, StoreUnavailable, UnknownAlert
from service.store.keys import tenant_key

UNITS = 100  # it reads thousands of entries


class Explains(Protocol):
    """Derives an alert of an account again; raises UnknownAlert, NoLongerKept."""

    async def explain(self, account_key: str, seq: int, /) -> AuditedAlert: ...


def build_explain_router(entrance: Entrance, auditor: Explains) -> APIRouter:
    """Build the route that explains an alert."""
    router = APIRouter(prefix="/v1", tags=["alerts"], default_response_class=Response)

    @router.get("/alerts/{alert_id}/explain", openapi_extra=_EXPLAIN)
    async def explain_alert(request: Request, alert_id: str) -> Response:
        caller = await entrance.admit_list(request, "alerts:read", "accounts:read")
        Query(request)
        await entrance.charge(request, caller, UNITS)
        named = read_alert_id(alert_id)
        if named is None:
            raise UnknownAlert("there is no such alert in the log")
        return json_reply(await auditor.explain(tenant_key(caller.tenant, named[0]), named[1]))

    return router


_STEPS = [
    AuditStep("BTC/USDT:USDT long", "notional", "|1.0| x 60600.0", 60_600.0),
    AuditStep("pool", "margin ratio", "650.0 / 800.0", 0.8125),
    AuditStep("level", "margin call line", "maintenance 650.0 against 0.8 x 800.0", "reached"),
]
_MARK = AuditedMark("binance", "BTC/USDT:USDT", 60_600.0, None, 48_211, 1_760_130_000_000, "good")
_EXAMPLE: Any = msgspec.to_builtins(
    AuditedAlert(
        ALERT.id,
        True,
        ALERT,
        _STEPS,
        [_MARK],
        [AuditedField("equity", 800.0, 800.0, True)],
        [],
        45_000,
        3_211,
    )
)
_EXPLAIN = operation(
    "explainAlert",
    "An alert derived again from the recorded marks and account versions, line by line",
    {
        200: answer(
            "How the alert follows from what is recorded, and whether that is what was logged, to "
            "the last digit.",
            AuditedAlert,
            _EXAMPLE,
        )
    },
    parameters=[path_parameter("alert_id", "The alert's `id`.", ALERT_ID_PATTERN, "desk-7-12")],
    errors=(InvalidInput, UnknownAlert, NoLongerKept, StoreUnavailable),
    access=("alerts:read", "accounts:read"),
)
