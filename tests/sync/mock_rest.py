"""A venue's REST on loopback: recorded answers by path, query and body; it fails on command.

A fixture's answers are keyed as `/path`, `/path?name=value` (the query has at least that) or
`/path#type` (a posted body's `type`); the one that says most is taken.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("binanceusdm", "binancecoinm", "bybit", "okx", "hyperliquid", "gate", "bitget")


def fixture(name: str) -> dict[str, Any]:
    """Return what is recorded of a venue."""
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


@dataclass
class MockRest:
    """The venue: its answers may be changed at any time; `refuse` answers a status by path."""

    answers: dict[str, Any]
    refuse: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, query: dict[str, str], kind: str | None) -> tuple[int, Any]:
        """Return a status and a body."""
        self.asked.append(path)
        if path in self.refuse:
            return self.refuse[path], {"message": "refused on command"}
        best: tuple[int, Any] | None = None
        for key, answer in self.answers.items():
            parts = urlsplit(key)
            wanted = dict(parse_qsl(parts.query))
            if parts.path != path or not wanted.items() <= query.items():
                continue
            if parts.fragment and parts.fragment != kind:
                continue
            says = len(wanted) + bool(parts.fragment)
            if best is None or says > best[0]:
                best = (says, answer)
        if best is None:
            return 404, {"code": 404, "msg": f"nothing is recorded of {path} {query} {kind}"}
        return 200, best[1]() if callable(best[1]) else best[1]


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[MockRest]:
    """Serve until the block ends."""
    venue = MockRest(dict(answers))

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._reply(json.loads(self.rfile.read(length) or b"{}").get("type"))

        def _reply(self, kind: str | None) -> None:
            parts = urlsplit(self.path)
            venue.headers.append(dict(self.headers))
            status, answer = venue.answer(parts.path, dict(parse_qsl(parts.query)), kind)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    venue.url = f"http://127.0.0.1:{server.server_address[1]}"
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    running.start()
    try:
        yield venue
    finally:
        server.shutdown()
        running.join()
        server.server_close()
