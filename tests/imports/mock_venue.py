"""A venue's REST on loopback: documented answers by path, and what was asked."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Query = dict[str, str]
Answers = Mapping[str, Any]  # path -> an answer, or a function of the query that gives one


@contextmanager
def mock_venue(exchange: Any, answers: Answers) -> Iterator[list[str]]:
    """Point one of ccxt's objects here; yields the paths that are asked for."""
    asked: list[str] = []

    class MockVenue(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked.append(parts.path)
            found = answers.get(parts.path)
            answer = found(dict(parse_qsl(parts.query))) if callable(found) else found
            body = json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), MockVenue)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    exchange.urls["api"] = _pointed(
        exchange.urls["api"], f"http://127.0.0.1:{server.server_address[1]}"
    )
    try:
        yield asked
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _pointed(node: Any, url: str) -> Any:
    if isinstance(node, dict):
        return {name: _pointed(below, url) for name, below in node.items()}
    return re.sub(r"^https?://[^/]+", url, node)
