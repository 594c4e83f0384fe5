"""What plugins cannot do, and which of apprise's services and parameters are allowed."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apprise.manager_plugins import NotificationManager

from service.contract import targets
from service.contract.targets import PARAMETERS, service_of
from service.errors import InvalidInput
from service.targets import guard


def connect(host: str, port: int) -> None:
    with socket.socket() as connection:
        connection.settimeout(0.01)
        connection.connect((host, port))


FORBIDDEN: list[Callable[[], Any]] = [
    lambda: connect("127.0.0.1", 9),
    lambda: connect("localhost", 9),
    lambda: connect("10.0.0.1", 9),
    lambda: connect("169.254.169.254", 80),
    lambda: socket.socket(socket.AF_UNIX).connect("/tmp/any"),
    lambda: socket.socket().bind(("127.0.0.1", 0)),
    lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    lambda: os.system("true"),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: Path("/etc/passwd").read_text(),
    lambda: Path(__file__).read_text(),
    tempfile.mkstemp,
    lambda: os.remove("/tmp/no-such-file"),
    lambda: Path("/tmp/no-such-folder").mkdir(),
]


@pytest.mark.parametrize("attempt", FORBIDDEN)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what was opened is dropped at once
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_guarded_thread_calls_public_addresses_and_no_more(attempt: Callable[[], Any]) -> None:
    guard.install()
    with guard.guarded(allow_private=False), pytest.raises(guard.Forbidden):
        attempt()
    assert guard.refusal()


def test_others_are_not_judged() -> None:
    guard.install()
    read: list[str] = []
    with guard.guarded(allow_private=False):
        other = threading.Thread(target=lambda: read.append(Path(__file__).read_text()))
        other.start()
        other.join()
    assert read
    assert Path(__file__).read_text() == read[0]


def test_a_private_address_may_be_allowed() -> None:
    guard.install()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with guard.guarded(allow_private=True):
            connect(*listening.getsockname())
            assert guard.refusal() == ""


def service(url: str, **allowed: bool) -> str:
    return service_of(url, **({"allow_http": False, "allow_private": False} | allowed))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("tgram://123456789:abc_def/12315544/", "tgram"),
        ("slack://A1/B1/C1/%23desk", "slack"),
        ("mailtos://user:pass@example.com?to=a@b.c&from=d@e.f", "mailtos"),
        ("jsons://example.com:8443/in", "jsons"),
    ],
)
def test_such_are_allowed(url: str, found: str) -> None:
    assert service(url) == found


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://hooks.slack.com/services/A/B/C", "service_not_allowed"),
        ("syslog://", "invalid_url"),
        ("syslog://x", "service_not_allowed"),
        ("dbus://x", "service_not_allowed"),
        ("gnome://x", "service_not_allowed"),
        ("windows://x", "service_not_allowed"),
        ("macosx://x", "service_not_allowed"),
        ("file:///etc/passwd", "service_not_allowed"),
        ("fcm://project/key?keyfile=/etc/passwd", "service_not_allowed"),
        ("tgram://1:a/2?template=/etc/passwd", "parameter_not_allowed"),
        ("tgram://1:a/2?to=x&template=/etc/passwd", "parameter_not_allowed"),
        ("tgram://1:a/2?to=x;template=/etc/passwd", "parameter_not_allowed"),
        ("tgram://1:a/2?to=x?template=/etc/passwd", "parameter_not_allowed"),
        ("tgram://1:a/2?Template=/etc/passwd", "parameter_not_allowed"),
        ("tgram://1:a/2?%74emplate=/etc/passwd", "parameter_not_allowed"),
        ("mailtos://a:b@example.com?pgppub=/etc/passwd", "parameter_not_allowed"),
        ("mailtos://a:b@example.com?mode=insecure", "parameter_not_allowed"),
        ("jsons://example.com?verify=no", "parameter_not_allowed"),
        ("jsons://example.com?+X-Header=1", "parameter_not_allowed"),
        ("slack://A1/B1/C1/#desk?template=/etc/passwd", "invalid_url"),
        ("slack://A1/B1/C1/\u00fc", "invalid_url"),
        ("SLACK://A1/B1/C1", "invalid_url"),
        ("json://example.com", "service_not_allowed"),
        ("mailto://a:b@example.com", "service_not_allowed"),
        ("jsons://127.0.0.1/in", "address_not_public"),
        ("jsons://[::1]/in", "address_not_public"),
        ("jsons://[half/in", "invalid_url"),
        ("", "invalid_url"),
    ],
)
def test_such_are_refused_and_nothing_of_them_is_told(url: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        service(url)
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/url", code)
    assert "passwd" not in fault.detail
    assert "example.com" not in fault.detail


def test_settings_allow_what_they_say_and_no_more() -> None:
    assert service("json://example.com", allow_http=True) == "json"
    assert service("jsons://10.0.0.1", allow_private=True) == "jsons"
    with pytest.raises(InvalidInput):
        service("json://10.0.0.1", allow_http=True)


def test_the_list_is_of_services_that_there_are_and_none_that_serves_this_machine() -> None:
    known = NotificationManager()  # type: ignore[no-untyped-call]  # it has no annotations
    for name in sorted(targets._ALLOWED):
        assert name in known, name
        assert known[name].enabled, name
        source = Path(sys.modules[known[name].__module__].__file__ or "").read_text()
        for word in ("import subprocess", "import ctypes", "import dbus", "import socket\n"):
            assert word not in source, (name, word)
    secure = targets._ANYWHERE - targets._PLAIN
    for name in sorted(secure):
        found = known[name].secure_protocol
        assert name in ((found,) if isinstance(found, str) else found), name


def test_no_allowed_parameter_is_a_file_or_weakens_a_connection() -> None:
    dangerous = {"template", "keyfile", "subfile", "attach", "pgp", "pgppub", "pgpprv", "store"}
    assert not PARAMETERS & (dangerous | {"verify", "mode", "redirect", "cto", "rto", "retry"})
