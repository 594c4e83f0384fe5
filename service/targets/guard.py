"""What the code of others may do in the threads it is given: call public addresses, and no more.

The interpreter reports what is about to be done (audit events, PEP 578), and whoever hears of it
can forbid it. A connection is judged by the very address it is made to, redirects included.
"""

import contextlib
import ipaddress
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from typing import Any

from service.contract.webhooks import is_public

_FORBIDDEN_TEXT = """
    os.chmod os.chown os.exec os.fork os.forkpty os.kill os.killpg os.link os.mkdir os.posix_spawn
    os.putenv os.remove os.rename os.rmdir os.spawn os.startfile os.symlink os.system os.truncate
    os.unsetenv os.utime pty.spawn shutil.rmtree socket.bind socket.sendmsg socket.sendto
    subprocess.Popen tempfile.mkdtemp tempfile.mkstemp
"""
_FORBIDDEN = frozenset(_FORBIDDEN_TEXT.split())
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# The interpreter's own library and what is installed for it.
_LIBRARIES = ("stdlib", "platstdlib", "purelib", "platlib")
_READABLE = tuple(f"{os.path.realpath(sysconfig.get_path(name))}{os.sep}" for name in _LIBRARIES)


class Forbidden(PermissionError):
    """Something that is not done in this thread."""


class _Thread(threading.local):
    guarded = False
    allow_private = False
    refused = ""  # why the last thing was


_thread = _Thread()
_installed: list[bool] = []


@contextlib.contextmanager
def guarded(*, allow_private: bool) -> Iterator[None]:
    """Forbid in this thread what is not for others; `install` comes first."""
    assert _installed
    _thread.guarded, _thread.allow_private, _thread.refused = True, allow_private, ""
    try:
        yield
    finally:
        _thread.guarded = False


def refusal() -> str:
    """Return what was forbidden last in this thread; nothing: empty."""
    return _thread.refused


def install() -> None:
    """Begin to listen; for good, in all threads, of which only those in `guarded` are judged."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    if not _thread.guarded:
        return
    if event == "socket.connect":
        if not _may_connect(arguments[1]):
            _refuse("the host has an address that is not public")
    elif event == "open":
        path, _, flags = arguments
        if not _may_open(path, flags):
            _refuse("a file was asked for")
    elif event in _FORBIDDEN:
        _refuse("something was asked for that is not done here")


def _may_connect(address: Any) -> bool:
    if not isinstance(address, tuple):
        return False  # a socket of this machine
    if _thread.allow_private:
        return True
    try:
        return is_public(ipaddress.ip_address(address[0]))
    except ValueError:
        return False  # a name, which would be looked up after we looked


def _may_open(path: Any, flags: int) -> bool:
    if isinstance(path, int):
        return True  # open already
    if flags & _WRITING:
        return False
    name = os.path.realpath(os.fsdecode(path))
    return name.startswith(_READABLE)


def _refuse(why: str) -> None:
    _thread.refused = why
    raise Forbidden(why)
