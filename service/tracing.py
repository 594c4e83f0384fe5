"""Traces on request, from a mark's way in to the frames of its alerts, sent to a collector by OTLP.

A trace goes from process to process as a W3C `traceparent`: in the mark's entry of the market
stream, then in the log entries of its alerts. Entries of marks that nobody traces have none, and
where no collector is set none of this is asked, nor is OpenTelemetry imported.
"""

import importlib.util
import random
import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OpenSpan

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_SAMPLED = 1
SEND_EVERY_MS, SEND_WITHIN_S = 500, 2
INSTALL = "PLIMSOLL_OTLP_ENDPOINT needs OpenTelemetry: pip install 'plimsoll-risk[otel]'"


def is_available() -> bool:
    """Whether OpenTelemetry is installed."""
    return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None


class Span:
    """Something that is being done, until `end` or the end of the block."""

    def __init__(self, span: "OpenSpan") -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def about(self, **attributes: Any) -> None:
        """Say more of it."""
        self._span.set_attributes(_named(attributes))

    def end(self) -> None:
        self._span.end()

    def __enter__(self) -> "Span":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self._span.record_exception(error)
        self.end()


class Tracer:
    """Sends spans of one process to `endpoint`, in the background; what cannot be sent is dropped.

    `share` of the calls are traced though nobody asked for it.
    """

    def __init__(self, endpoint: str, part: str, share: float = 0.0) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

        about = Resource.create(
            {"service.name": f"plimsoll-{part}", "service.namespace": "plimsoll"}
        )
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=about)
        url = f"{endpoint.rstrip('/')}/v1/traces"
        sender = OTLPSpanExporter(endpoint=url, timeout=SEND_WITHIN_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(sender, schedule_delay_millis=SEND_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("plimsoll")
        self._share = share

    def asked(self, name: str, traceparent: str | None) -> Span | None:
        """Begin a call's span where its `traceparent` asks for one, or chance does."""
        known = _TRACEPARENT.fullmatch(traceparent or "")
        if known is not None:
            return self.start(name, known[0]) if int(known[3], 16) & _SAMPLED else None
        return self.start(name) if random.random() < self._share else None

    def start(self, name: str, parent: str = "", **attributes: Any) -> Span:
        """Begin a span under another, which may be another process's."""
        span = self._tracer.start_span(name, _context(parent), attributes=_named(attributes))
        return Span(span)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _context(traceparent: str) -> "Context | None":
    from opentelemetry.trace import (  # noqa: PLC0415
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    known = _TRACEPARENT.fullmatch(traceparent)
    if known is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    remote = SpanContext(int(known[1], 16), int(known[2], 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote))


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"plimsoll.{name}": value for name, value in attributes.items()}


_OPENING = b',"traceparent":"'
_LENGTH = 55  # of a traceparent
_TAIL = len(_OPENING) + _LENGTH + 2


def with_trace(document: bytes, traceparent: str) -> bytes:
    """Return a JSON object, which has a field at least, with its trace as the last one.

    Who reads the fields that it knows passes over it.
    """
    return document[:-1] + _OPENING + traceparent.encode() + b'"}'


def trace_of(document: bytes) -> str:
    """Return the trace that `with_trace` has put in, "" where there is none."""
    if document[-_TAIL : -_TAIL + len(_OPENING)] != _OPENING:
        return ""
    return document[-_LENGTH - 2 : -2].decode()
