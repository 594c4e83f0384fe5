"""One part of the service as a process of its own: `python -m service.part --role ROLE`.

The supervisor starts its children this way, and `plimsoll serve --role` ends here. A part imports
what it runs and no more: the terminal's libraries are of no use to it, nor the API to a monitor.
Its settings are those of the environment.
"""

import argparse
import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias, get_args

import uvloop

from service.errors import ServiceError
from service.running import COLLECT_AFTER, log_to_stderr, tell_ready
from service.settings import Settings
from service.supervisor.children import StartError
from service.supervisor.signals import until_signalled

Role: TypeAlias = Literal["api", "monitor", "webhooks", "targets", "feed", "sync"]


def run_part(settings: Settings, role: Role, listening: socket.socket | None = None) -> None:
    """Run a part until SIGTERM or SIGINT; an API worker serves on a socket that listens already.

    Raises StartError or ServiceError where it cannot work as it is set.
    """
    log_to_stderr(settings)
    gc.set_threshold(*COLLECT_AFTER)  # what is imported stays: looking for garbage takes a tenth
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


def main() -> None:
    """Run the part that the command line names; what is wrong is told in a line."""
    parser = argparse.ArgumentParser(prog="python -m service.part", description=__doc__)
    parser.add_argument("--role", choices=get_args(Role), required=True)
    parser.add_argument("--listen-fd", type=int, help="of an API worker: its socket, handed down")
    given = parser.parse_args()
    listening = None if given.listen_fd is None else socket.socket(fileno=given.listen_fd)
    try:
        run_part(Settings(), given.role, listening)
    except (StartError, ServiceError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
