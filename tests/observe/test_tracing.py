"""A trace in an entry: carried as the last field, found there alone, asked for by W3C's header."""

import msgspec
import pytest

from service.contract.marks import decode_mark
from service.store.log_entries import LogBlock, Rank, Run, read_entry, write_block
from service.tracing import Tracer, trace_of, with_trace

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MARK = b'{"symbol":"BTC/USDT:USDT","markPrice":61000.5}'
RUN = [Run(Rank(7, 0, 2), 1)]


def test_a_mark_carries_its_trace_and_is_the_mark_it_was() -> None:
    traced = with_trace(MARK, TRACE)
    assert trace_of(traced) == TRACE
    assert decode_mark(traced) == decode_mark(MARK)
    assert msgspec.json.decode(traced)["traceparent"] == TRACE


@pytest.mark.parametrize(
    "document",
    [MARK, b"", b"{}", b'{"traceparent":"' + TRACE.encode() + b'","symbol":"A"}', b"x" * 200],
)
def test_what_has_no_trace_at_its_end_has_none(document: bytes) -> None:
    assert trace_of(document) == ""


def test_a_log_entry_has_traces_only_where_somebody_follows_its_marks() -> None:
    plain = LogBlock(["default/a"], b"[1]", RUN)
    assert write_block(plain)[4] == b""
    *_, runs, traces = write_block(LogBlock(["default/a"], b"[1]", RUN, {7: TRACE}))
    stored = [b"n", b"1", b"accounts", b'["default/a"]', b"alerts", b"[1]", b"runs", runs]
    assert read_entry((b"4-0", stored)).traces == {}
    assert read_entry((b"4-0", [*stored, b"traces", traces])).traces == {7: TRACE}


@pytest.fixture(scope="module")
def tracer() -> Tracer:
    return Tracer("http://127.0.0.1:9", "test")


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        (TRACE, True),
        (TRACE[:-1] + "0", False),  # whoever began it does not follow it
        (None, False),
        ("", False),
        ("nonsense", False),
        (TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), False),
        (TRACE.replace("00f067aa0ba902b7", "0" * 16), False),
        ("ff" + TRACE[2:], False),
        (TRACE.upper(), False),
        (TRACE + "-more", False),
    ],
)
def test_a_call_is_followed_when_its_header_asks_for_it(
    tracer: Tracer, header: str | None, asked: bool
) -> None:
    span = tracer.asked("api.marks", header)
    assert (span is not None) == asked
    if span is not None:
        assert span.traceparent[:36] == TRACE[:36]
        assert span.traceparent != TRACE


def test_a_share_of_the_others_is_followed_unasked() -> None:
    everything = Tracer("http://127.0.0.1:9", "test", share=1.0)
    first, second = everything.asked("a", None), everything.asked("a", "nonsense")
    assert first is not None
    assert second is not None
    assert first.traceparent[:36] != second.traceparent[:36]
    assert everything.asked("a", TRACE[:-1] + "0") is None
