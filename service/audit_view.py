"""Alerts that a service derives again, as text or as lines of JSON, and which are not equal."""

from collections import deque
from dataclasses import dataclass

import httpx
import msgspec
import typer
from rich.table import Table
from rich.text import Text

from service.contract.audited import AuditedAlert
from service.contract.problems import Problem
from service.contract.results import AlertsPage
from service.demo.listener import Service
from service.demo.wording import clock, level_text, pool_words
from service.errors import InvalidInput, StoreUnavailable
from service.terminal import FAILED, out

CALL_S = 120.0  # a long fall is walked through entry by entry
PAGE_ALERTS = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """Which alerts: by id, and the newest so many."""

    ids: tuple[str, ...]
    last: int
    as_json: bool


async def audit_alerts(service: Service, asked: Asked) -> None:
    """Have alerts derived again and show it; exits with an error unless each is as logged.

    Raises StoreUnavailable where no service answers, InvalidInput where it refuses.
    """
    unlike = count = 0
    async with service.client(CALL_S) as http:
        try:
            for alert_id in [*asked.ids, *await _newest(http, asked.last)]:
                answer = await _asked(http, f"/v1/alerts/{alert_id}/explain")
                found = msgspec.json.decode(answer.content, type=AuditedAlert)
                count, unlike = count + 1, unlike + (not found.equal)
                if asked.as_json:
                    typer.echo(answer.content)
                else:
                    _show(found)
        except httpx.TransportError as error:
            raise StoreUnavailable(f"no service answers at {service.url}: {error}") from error
    if not asked.as_json:
        typer.echo(f"{count} audited, {count - unlike} re-derived to the digit")
    if unlike:
        raise typer.Exit(FAILED)


async def _newest(http: httpx.AsyncClient, count: int) -> list[str]:
    """Return the ids of the newest alerts, the newest last; the log is read from its beginning."""
    newest: deque[str] = deque(maxlen=count)
    params: dict[str, str | int] = {"limit": PAGE_ALERTS}
    more = count > 0
    while more:
        answer = await _asked(http, "/v1/alerts", params)
        page = msgspec.json.decode(answer.content, type=AlertsPage)
        newest.extend(alert.id for alert in page.alerts)
        params["since"], more = page.cursor, page.more
    return list(newest)


async def _asked(
    http: httpx.AsyncClient, path: str, params: dict[str, str | int] | None = None
) -> httpx.Response:
    answer = await http.get(path, params=params)
    if answer.is_success:
        return answer
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.DecodeError:
        raise InvalidInput(f"{path} answered {answer.status_code}") from None
    raise InvalidInput(f"{path}: {problem.code}: {problem.detail}")


def _show(found: AuditedAlert) -> None:
    alert = found.alert
    head = Text(f"{alert.id}  {clock(alert.event_time)}  {pool_words(alert.pool)}  ", "bold")
    head.append(alert.previous_level).append(" -> ").append(level_text(alert.level))
    out.print(head.append(f"  {alert.transition}, {alert.cause}"))
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name in ("about", "term", "how"):
        table.add_column(name, overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    about = ""
    for step in found.steps:
        value = step.value if isinstance(step.value, str) else _number(step.value)
        table.add_row("" if step.about == about else step.about, step.term, step.how, value)
        about = step.about
    out.print(table)
    for surprise in found.surprises:
        out.print(f"not as it should be: {surprise}", style="red", highlight=False)
    for field in found.fields:
        if not field.equal:
            words = f"{field.name}: logged {field.logged}, derived {field.derived}"
            out.print(words, style="red", highlight=False, soft_wrap=True)
    equal = [field.name for field in found.fields if field.equal]
    verdict = "re-derived to the digit" if found.equal else "NOT what was logged"
    out.print(
        f"{verdict}: {len(equal)} of {len(found.fields)} fields equal, "
        f"{found.entries} entries of the market stream from {found.started_from} on\n",
        style="green" if found.equal else "bold red",
        highlight=False,
        soft_wrap=True,
    )


def _number(value: float | None) -> str:
    return "-" if value is None else repr(value)
