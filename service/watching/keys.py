"""Single keys of a terminal, read while something else is drawn."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator

try:
    import termios
    import tty
except ImportError:  # pragma: no cover - a system without terminals of this kind has options alone
    termios = tty = None  # type: ignore[assignment]


@contextlib.contextmanager
def keys_pressed(on_key: Callable[[str], None]) -> Iterator[None]:
    """Hand on each key until the block ends; does nothing where there is no terminal to read."""
    if termios is None or not sys.stdin.isatty():
        yield
        return
    descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)

    def read() -> None:
        for key in os.read(descriptor, 64).decode(errors="replace"):
            on_key(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
