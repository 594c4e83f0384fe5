"""What somebody sees who follows a mark, or reads the log: stages of the test of a service."""

import itertools
import json
from typing import Any

from tests.e2e.running_service import until
from tests.observe.collector import Told
from tests.observe.scene import WITHIN_S, Scene
from tests.observe.traffic import PRICES, SYMBOL

ASKED = "request-of-the-test"
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CHAIN = ("api.marks", "monitor.evaluate", "monitor.commit", "push.frame")


def post_marks(scene: Scene, flags: str) -> None:
    """Post marks that move a level for certain, whichever it is at."""
    marks = [{"symbol": SYMBOL, "markPrice": price} for price in PRICES]
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-{flags}", "X-Request-Id": ASKED}
    answer = scene.service.http.post("/v1/marks", json={"marks": marks}, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, ASKED)


def check_a_mark_is_followed(scene: Scene) -> None:
    """One trace, from the call to the frame, each span under the one before it."""
    post_marks(scene, "00")  # known to somebody who does not follow it: nobody does
    post_marks(scene, "01")
    found: dict[str, list[Told]] = until(lambda: _whole(scene), WITHIN_S)
    (call,) = found["api.marks"]
    assert call.parent == CALLER
    for before, after in itertools.pairwise(CHAIN):
        parents = {span.span for span in found[before]}
        assert {span.parent for span in found[after]} <= parents, after
    assert {span.trace for span in scene.collector.spans} == {TRACE}, "nobody asked for others"
    services = {span.service for spans in found.values() for span in spans}
    assert services == {"plimsoll-api", "plimsoll-monitor"}


def _whole(scene: Scene) -> dict[str, list[Told]] | None:
    found = scene.collector.of(TRACE)
    return found if set(found) == set(CHAIN) else None


def check_the_log_is_followed(scene: Scene) -> None:
    """Every line is an object; switched to `debug` all processes name what they do."""
    http = scene.service.http
    assert http.get("/v1/log-level").json() == {"level": None, "forS": None}
    assert not _said(scene, part="api", level="debug")
    http.put("/v1/log-level", json={"level": "debug", "forS": 60}).raise_for_status()

    def told() -> bool:
        post_marks(scene, "00")
        call = _said(scene, part="api", requestId=ASKED, message="POST /v1/marks")
        logged = _said(scene, part="monitor", message="alerts are in the log")
        handed = _said(scene, part="api", message="alerts are handed on")
        return bool(call and logged and handed)

    until(told, WITHIN_S)
    (logged, *_) = _said(scene, part="monitor", message="alerts are in the log")
    first, last = logged["offsets"]
    assert 1 <= first <= last
    assert {alert.partition("-")[0] for alert in logged["alerts"]} <= {"moves", "warned", "falls"}
    http.put("/v1/log-level", json={"level": None}).raise_for_status()

    def silent() -> bool:
        before = len(scene.service.lines)
        post_marks(scene, "00")
        return not _said(scene, before, part="api", level="debug")

    until(silent, WITHIN_S)


def _said(scene: Scene, after: int = 0, **wanted: str) -> list[dict[str, Any]]:
    """Return the lines with these values; fails where one is no object."""
    lines = [json.loads(line) for line in list(scene.service.lines)[after:]]
    assert all({"time", "level", "part", "message"} <= set(line) for line in lines)
    return [line for line in lines if wanted.items() <= line.items()]
