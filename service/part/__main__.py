"""One part of the service as a process of its own: `python -m service.part --role ROLE`.

The supervisor starts its children this way. Their settings are those of the environment.
"""

import argparse
import atexit
import os
import socket
import sys
from typing import NoReturn

from service.memory import never_collect


def main() -> None:
    """Run the part that the command line names; what is wrong is told in a line."""
    never_collect()  # each part has it collected once it has imported and compiled what it needs
    from service.errors import ServiceError  # noqa: PLC0415
    from service.part.run import ROLES, run_part  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415
    from service.supervisor.children import StartError  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m service.part", description=__doc__)
    parser.add_argument("--role", choices=ROLES, required=True)
    parser.add_argument("--listen-fd", type=int, help="of an API worker: its socket, handed down")
    given = parser.parse_args()
    listening = None if given.listen_fd is None else socket.socket(fileno=given.listen_fd)
    try:
        run_part(Settings(), given.role, listening)
    except (StartError, ServiceError) as error:
        sys.exit(str(error))
    _leave()


def _leave() -> NoReturn:
    """End this process, whose work is done, after what has asked to be called at its end.

    The system has its memory back at once. Python would first take apart all that was imported,
    which takes a fifth of the start, and wait for threads that look up names for nobody.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
