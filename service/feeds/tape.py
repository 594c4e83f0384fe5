"""Recorded marks read back in order: bars of one second (CSV) or NDJSON marks, plain or gzipped.

A tape is a sequence of frames. A frame is what was known at one instant: the marks that share its
time. Bars are told as their open, low, high and close, a quarter of a second apart.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

import orjson

from service.errors import InvalidInput
from service.feeds.symbols import listing

MarkDoc: TypeAlias = dict[str, str | float | int]

BAR_COLUMNS = ("ts", "venue", "symbol", "open", "high", "low", "close")
BAR_MOMENTS = (("open", 0), ("low", 250), ("high", 500), ("close", 750))  # offset in ms


class Frame(NamedTuple):
    """Marks of one instant; `time_ms` is epoch ms, None where the tape does not say."""

    time_ms: int | None
    marks: list[MarkDoc]


def read_tape(path: Path) -> Iterator[Frame]:
    """Read a tape frame by frame; the suffix says its format: .csv, .ndjson, .jsonl, also .gz.

    Raises InvalidInput, with the line number, at the first row that breaks the format.
    """
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    if kind not in (".csv", ".ndjson", ".jsonl"):
        raise InvalidInput(f"{path.name} is neither .csv nor .ndjson (gzipped or not)")
    with _open(path) as lines:
        yield from read_bars(lines) if kind == ".csv" else read_ndjson(lines)


def read_bars(lines: Iterable[str]) -> Iterator[Frame]:
    """Bars of one-second rows, sorted by time, become four frames a second."""
    reader = csv.DictReader(lines)
    missing = [name for name in BAR_COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise InvalidInput(f"the bars have no column {', '.join(missing)}")
    rows = (_bar(number, row) for number, row in enumerate(reader, start=2))
    for second, bars in groupby(rows, key=itemgetter("ts")):
        yield from _moments(int(second), list(bars))


def read_ndjson(lines: Iterable[str]) -> Iterator[Frame]:
    """Each line is a mark or `{"marks": [...]}`; neighbours of one timestamp share a frame."""
    for time_ms, marks in groupby(_marks(lines), key=lambda mark: mark.get("timestamp")):
        yield Frame(time_ms if isinstance(time_ms, int) else None, list(marks))


def _open(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8")
    return path.open(encoding="utf-8")


def _bar(number: int, row: dict[str, str]) -> MarkDoc:
    try:
        prices = {name: float(row[name]) for name in ("open", "high", "low", "close")}
        second = int(row["ts"])
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"line {number}: {error}") from error
    if not all(isfinite(price) and price > 0.0 for price in prices.values()):
        raise InvalidInput(f"line {number}: a price is not a finite number above 0")
    venue, symbol, source = listing(row["venue"], row["symbol"])
    return {"ts": second, "venue": venue, "symbol": symbol, "source": source, **prices}


def _moments(second: int, bars: list[MarkDoc]) -> Iterator[Frame]:
    for name, offset_ms in BAR_MOMENTS:
        time_ms = second * 1_000 + offset_ms
        yield Frame(time_ms, [_mark(bar, name, time_ms) for bar in bars])


def _mark(bar: MarkDoc, moment: str, time_ms: int) -> MarkDoc:
    mark = {
        "venue": bar["venue"],
        "symbol": bar["symbol"],
        "markPrice": bar[moment],
        "timestamp": time_ms,
    }
    return {**mark, "source": bar["source"]} if bar["source"] else mark


def _marks(lines: Iterable[str]) -> Iterator[MarkDoc]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"line {number}: {error}") from error
        marks = document.get("marks", [document]) if isinstance(document, dict) else None
        if not isinstance(marks, list) or not all(isinstance(mark, dict) for mark in marks):
            raise InvalidInput(f"line {number}: neither a mark nor a list of marks")
        yield from marks
