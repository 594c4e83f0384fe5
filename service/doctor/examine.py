"""Everything looked at, one after the other: the settings, the store, what is in it, the service.

What cannot be looked at from here is said too: a report without findings means that all was seen.
"""

import time

from service.demo.listener import Service
from service.doctor.callers import check_service
from service.doctor.data import check_data
from service.doctor.findings import Report
from service.doctor.server import Clock, FreeBytes, check_server, free_bytes
from service.errors import StoreUnavailable
from service.settings import Settings
from service.store.client import connect
from service.supervisor.children import StartError
from service.supervisor.serve import check_bind


async def examine(
    settings: Settings,
    store_url: str | None,
    service: Service,
    *,
    clock: Clock = time.time,
    free: FreeBytes = free_bytes,
) -> Report:
    """Return what is wrong; `store_url` None: the store cannot be found from here."""
    report = Report()
    _check_settings(report, settings)
    if store_url is None:
        report.error(
            "store_away",
            f"no store runs over {settings.data_dir}, and no other is named",
            "what the service goes by cannot be looked at",
            "start the service, or say where its data is: --data-dir or --redis-url",
        )
    else:
        async with connect(store_url) as client:
            try:
                if await check_server(report, settings, client, clock, free):
                    await check_data(report, settings, client)
            except StoreUnavailable as error:
                report.error(
                    "store_away",
                    f"the store stopped answering: {error.detail}",
                    "what it does not answer is not served either",
                    "see its log: memory, disk, or a command that takes too long",
                )
    await check_service(report, service, clock)
    return report


def _check_settings(report: Report, settings: Settings) -> None:
    report.looked_at.append("settings")
    try:
        check_bind(settings)
    except StartError as error:
        report.error(
            "open_to_all",
            str(error),
            "`plimsoll serve` does not start so",
            "PLIMSOLL_BOOTSTRAP_KEY, PLIMSOLL_REQUIRE_KEYS=true, or PLIMSOLL_HOST=127.0.0.1",
        )
    if settings.event_time == "source":
        report.warn(
            "event_time_by_source",
            "time goes by the marks' own timestamps (PLIMSOLL_EVENT_TIME=source)",
            "when marks stop, time does: nothing grows stale, no fall's wait ends",
            "PLIMSOLL_EVENT_TIME=received, but for replays and tests",
        )
