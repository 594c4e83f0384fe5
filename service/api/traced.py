"""Marks whose way through the service somebody follows: see `tracing`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from fastapi import Request

from service.logs import request_id
from service.store.market_stream import NewMark
from service.tracing import Span, Tracer, with_trace


def followed(tracer: Tracer | None, request: Request) -> AbstractContextManager[Span | None]:
    """Return the span of a call with marks, None where nobody follows it."""
    asked = request.headers.get("traceparent")
    span = None if tracer is None else tracer.asked("api.marks", asked)
    if span is None:
        return nullcontext()
    span.about(request_id=request_id())
    return span


def marked(marks: Sequence[NewMark], span: Span | None) -> Sequence[NewMark]:
    """Return the marks, with the span as what comes before all that is done with them."""
    if span is None:
        return marks
    span.about(marks=len(marks))
    return [replace(mark, payload=with_trace(mark.payload, span.traceparent)) for mark in marks]
