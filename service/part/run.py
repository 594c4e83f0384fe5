"""What a part of the service runs: `plimsoll serve --role` and the supervisor's children end here.

A part imports what it runs and no more: the terminal's libraries are of no use to it, nor the API
to a monitor.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias, get_args

import uvloop

from service.logs import log_to_stderr
from service.memory import collect_seldom
from service.running import tell_ready
from service.settings import Settings
from service.supervisor.signals import until_signalled

Role: TypeAlias = Literal["api", "monitor", "webhooks", "targets", "feed", "sync"]
ROLES: tuple[Role, ...] = get_args(Role)


def run_part(settings: Settings, role: Role, listening: socket.socket | None = None) -> None:
    """Run a part until SIGTERM or SIGINT; an API worker serves on a socket that listens already.

    Raises StartError or ServiceError where it cannot work as it is set.
    """
    log_to_stderr(settings.log_level, settings.log_format, role)
    if role == "api":
        from service.app import run_api  # noqa: PLC0415 - as all of these: see above

        assert listening is not None
        run_api(settings, listening)
        return
    if role == "monitor":
        from service.supervisor.monitor import run_monitor  # noqa: PLC0415

        run_monitor(settings)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        work = _work_of(role)(settings)
        collect_seldom()
        tell_ready()  # more there is not to wait for: one of two works, the other stands by
        runner.run(until_signalled(work))


def _work_of(role: Role) -> Callable[[Settings], Coroutine[Any, Any, None]]:
    if role == "webhooks":
        from service.supervisor.webhooks import run_webhooks  # noqa: PLC0415

        return run_webhooks
    if role == "targets":
        from service.supervisor.targets import run_targets  # noqa: PLC0415

        return run_targets
    if role == "sync":
        from service.supervisor.sync import run_sync  # noqa: PLC0415

        return run_sync
    from service.supervisor.feeds import run_feeds  # noqa: PLC0415

    return run_feeds
