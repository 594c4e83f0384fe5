"""The service as callers meet it: who has its port, whether it answers, whether the key is good."""

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from service.demo.listener import Service
from service.doctor.findings import Report
from service.doctor.server import CLOCK_WARNING_S, Clock, ahead_of, say_clock
from service.supervisor.resources import is_free

CALL_S = 2.0
DATE_LASTS_S = 2.0  # it has whole seconds, and servers renew it once a second


async def check_service(report: Report, service: Service, clock: Clock = time.time) -> None:
    """Call the service as a client does."""
    async with service.client(CALL_S) as http:
        asked_s = clock()
        live = await _live(report, http, service.url)
        if live is None:
            return
        report.looked_at.append(service.url)
        if "date" in live.headers:
            theirs = parsedate_to_datetime(live.headers["date"]).timestamp()
            ahead_s = ahead_of(theirs, theirs + DATE_LASTS_S, asked_s, clock())
            say_clock(report, f"the clock of {service.url}", ahead_s, CLOCK_WARNING_S)
        await _check_key(report, http, service)
        await _check_ready(report, http)


async def _live(report: Report, http: httpx.AsyncClient, url: str) -> httpx.Response | None:
    """Return the answer of a service of ours, None where there is none: then it is said why."""
    try:
        answer = await http.get("/livez")
        ours = answer.status_code == 200 and answer.json().get("status") == "ok"
    except (httpx.TransportError, ValueError, AttributeError):
        answer, ours = None, False
    if ours:
        return answer
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    if answer is not None or (_is_here(host) and not is_free(host, port)):
        report.error(
            "port_taken",
            f"something that is no Plimsoll has port {port} of {host}",
            "`plimsoll serve` cannot listen there, and callers reach the wrong service",
            f"see what it is (`ss -ltnp 'sport = :{port}'`) and stop it, or choose another port: "
            "PLIMSOLL_PORT, and --url or PLIMSOLL_URL for those who call",
        )
    else:
        report.error(
            "service_away",
            f"no service answers at {url}",
            "nobody can ask, write or listen",
            "`plimsoll serve`, or name the one that is meant by --url or PLIMSOLL_URL",
        )
    return None


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


async def _check_key(report: Report, http: httpx.AsyncClient, service: Service) -> None:
    try:
        answer = await http.get("/v1/marks")
    except httpx.TransportError:
        return
    if answer.status_code != 401:
        return
    which = "the token that was given" if service.token else "no token was given, and one"
    report.error(
        "wrong_key",
        f"{which} is {'not good' if service.token else 'needed'}",
        "every call and every stream of whoever uses it is refused",
        "--token or PLIMSOLL_TOKEN: a token of `plimsoll keys create`; `plimsoll keys list` shows "
        "which keys are good, expired or revoked",
    )


async def _check_ready(report: Report, http: httpx.AsyncClient) -> None:
    try:
        answer = await http.get("/readyz")
    except httpx.TransportError:
        return
    if answer.status_code == 200 or report.errors:
        return  # what makes it not ready is said already, and how to mend it
    report.error(
        "not_ready",
        f"the service is not ready: {', '.join(answer.json().get('reasons', []))}",
        "load balancers send it nothing, and alerts wait",
        "wait while it starts; else see the log of `plimsoll serve`",
    )
