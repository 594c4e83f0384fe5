"""What a watcher asks: the stream for alerts and marks, the calls for accounts and health.

Every loop goes on when the service is away: it is asked again, and what was shown stays, marked as
not live.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import httpx
import msgspec

from service.contract.alerts import Alert
from service.contract.evaluation import PositionAnswer
from service.contract.problems import Problem
from service.contract.results import Health, RankedAccount, RankedAccounts, RiskAnswer
from service.demo.listener import Service, Wanted, listen
from service.demo.watch import first_to_end
from service.errors import InvalidInput
from service.watching.picture import Nearest, Picture, Row

CALL_S = 3.0
LIST_EVERY_S, HEALTH_EVERY_S = 1.0, 2.0
LISTED_MAX = 1_000  # accounts of one call
CALLS_AT_A_TIME = 8

OnAlerts: TypeAlias = Callable[[list[Alert]], None]
OnRows: TypeAlias = Callable[[], None]


class Watcher:
    """Fills a picture in; `run` ends only by being cancelled, or when the service refuses us."""

    def __init__(
        self,
        service: Service,
        wanted: Wanted,
        picture: Picture,
        *,
        rows: Callable[[], int],
        on_alerts: OnAlerts = lambda _: None,
        on_rows: OnRows = lambda: None,
    ) -> None:
        self._service, self._wanted, self._picture = service, wanted, picture
        self._rows, self._on_alerts, self._on_rows = rows, on_alerts, on_rows
        self._known: dict[str, tuple[str, Row]] = {}  # by account: tag, what was told with it
        self._room = asyncio.Semaphore(CALLS_AT_A_TIME)
        self.changed = asyncio.Event()  # somebody wants another list at once

    async def run(self) -> None:
        """Ask and listen; raises InvalidInput when the service refuses us."""
        async with self._service.client(CALL_S) as http:
            await first_to_end(
                self._listen(),
                self._again(http, self._list, LIST_EVERY_S),
                self._again(http, self._ask_health, HEALTH_EVERY_S),
            )

    async def _listen(self) -> None:
        def connected(there: bool) -> None:
            self._picture.connected = there
            if not there:
                self._picture.why_not = "the stream is gone"

        async for frame in listen(self._service, self._wanted, math.inf, connected):
            alerts = self._picture.take(frame)
            if alerts:
                self._on_alerts(alerts)

    async def _again(
        self,
        http: httpx.AsyncClient,
        work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]],
        every_s: float,
    ) -> None:
        while True:
            try:
                await work(http)
            except (httpx.TransportError, msgspec.DecodeError) as error:
                self._picture.why_not = str(error) or type(error).__name__
            try:
                async with asyncio.timeout(every_s):
                    await self.changed.wait()
                    self.changed.clear()
            except TimeoutError:
                pass

    async def _list(self, http: httpx.AsyncClient) -> None:
        """Ask who is worst, then of those that are shown what they are near to."""
        picture, many = self._picture, self._rows()
        everybody = picture.patterns == ("*",)
        limit = max(1, min(many, LISTED_MAX)) if everybody else LISTED_MAX
        params: dict[str, str | int] = {"level": picture.least, "limit": limit}
        answer = await http.get("/v1/accounts", params=params)
        if not self._good(answer):
            return
        ranked = msgspec.json.decode(answer.content, type=RankedAccounts).accounts
        wanted = [one for one in ranked if picture.wants(one.id)][:many]
        picture.rows = list(await asyncio.gather(*(self._row(http, one) for one in wanted)))
        self._known = {one.id: self._known[one.id] for one in wanted if one.id in self._known}
        picture.answered()
        self._on_rows()

    async def _row(self, http: httpx.AsyncClient, one: RankedAccount) -> Row:
        tag, known = self._known.get(one.id, ("", Row(one.id, one.level, one.margin_ratio)))
        async with self._room:
            headers = {"If-None-Match": tag} if tag else {}
            answer = await http.get(f"/v1/accounts/{one.id}/risk", headers=headers)
        if answer.status_code == 200:
            risk = msgspec.json.decode(answer.content, type=RiskAnswer)
            ages = [position.mark_age_ms for position in risk.positions]
            oldest = max((age for age in ages if age is not None), default=None)
            known = Row(one.id, one.level, one.margin_ratio, _nearest(risk.positions), oldest)
            self._known[one.id] = (answer.headers.get("etag", ""), known)
        return Row(one.id, one.level, one.margin_ratio, known.nearest, known.mark_age_ms)

    async def _ask_health(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/readyz")
        health = msgspec.json.decode(answer.content, type=Health)
        self._picture.owners = health.monitors
        self._picture.amiss = [*health.reasons, *health.degraded]

    def _good(self, answer: httpx.Response) -> bool:
        """Whether a call was answered; raises InvalidInput when our key is no good."""
        if answer.is_success:
            return True
        try:
            said = msgspec.json.decode(answer.content, type=Problem).detail
        except msgspec.DecodeError:
            said = f"it answered {answer.status_code}"
        if answer.status_code == 401:
            raise InvalidInput(f"the service refuses the key: {said}")
        if answer.status_code == 403:  # a key for alerts alone
            self._picture.answered()
            self._picture.hidden = said
            return False
        self._picture.why_not = said
        return False


def _nearest(positions: list[PositionAnswer]) -> Nearest | None:
    priced = [
        Nearest(one.symbol, one.side, one.liquidation_price, one.distance_pct)
        for one in positions
        if one.liquidation_price is not None and one.distance_pct is not None
    ]
    return min(priced, key=lambda one: one.distance_pct, default=None)
