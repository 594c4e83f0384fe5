"""What whoever starts a process for a test gives it: settings by their names, and a port."""

import contextlib
import os
import random
import socket


def environment_with(**settings: str) -> dict[str, str]:
    """Return this process's environment with settings by their names (`redis_url="..."`)."""
    return os.environ | {f"PLIMSOLL_{name.upper()}": value for name, value in settings.items()}


def free_port() -> int:
    """Return a port that nobody listens on, of those that systems give to no client: such a one
    might be taken before a server listens, or while it is down."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
