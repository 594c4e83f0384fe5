"""What is watched, drawn and written: worst first, narrow and wide, live or not."""

import io
import json
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from service.contract.alerts import Alert
from service.contract.examples import ALERT
from service.contract.frames import AlertsFrame, MarksFrame, MarkUpdate, Notice
from service.watching.drawing import draw, rows_that_fit
from service.watching.lines import Lines
from service.watching.picture import LIVE_S, Nearest, Picture, Row, ranges

BTC = "BTC/USDT:USDT"
ROWS = [
    Row("gone", "BANKRUPT", None, None, 400),
    Row("near", "MARGIN_CALL", 0.8125, Nearest(BTC, "long", 58_000.0, 4.29), 90),
    Row("blind", "UNPRICED", None, None, None),
]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def picture() -> Picture:
    found = Picture("http://service", now_s=Clock(), rows=list(ROWS), owners={"host-1": [0, 1, 3]})
    found.connected = True
    found.answered()
    found.take(MarksFrame("marks", [MarkUpdate("binance", BTC, 60_000.0)]))
    found.take(MarksFrame("marks", [MarkUpdate("binance", BTC, 57_000.0)]))
    assert found.take(AlertsFrame("alerts", [ALERT], "c")) == [ALERT]
    return found


def drawn(picture: Picture, width: int, height: int = 30) -> str:
    console = Console(width=width, height=height, file=io.StringIO())
    console.print(draw(picture, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [70, 80, 120, 200])
def test_the_picture_fits_the_terminal(picture: Picture, width: int) -> None:
    picture.rows = [Row(f"a{number}", "WARNING", 0.6) for number in range(100)]
    picture.alerts.extend([ALERT] * 100)
    for height in (12, 24, 50):
        lines = drawn(picture, width, height).splitlines()
        assert max(map(len, lines)) <= width
        rows = [line for line in lines if re.match(r" a\d+ +WARNING", line)]
        assert len(rows) == rows_that_fit(height)
        assert any("desk-7" in line for line in lines) or width < 80


def test_the_picture_says_what_matters(picture: Picture) -> None:
    text = drawn(picture, 140)
    for words in (
        " LIVE ",
        "host-1 0-1, 3",
        "BTC/USDT 57,000.0 -5.0 %",
        "BANKRUPT",
        "reached",
        "MARGIN_CALL",
        "0.812",
        "BTC/USDT long at 58,000.0",
        "4.29 %",
        "0.1 s",
        "desk-7",
    ):
        assert words in text, words
    rows = [
        line for line in text.splitlines() if any(f" {row.account_id} " in line for row in ROWS)
    ]
    assert [line.split()[0] for line in rows] == ["gone", "near", "blind"]
    assert [line.count("█") for line in rows] == [12, 10, 0]


def test_a_service_that_is_silent_is_not_live(picture: Picture) -> None:
    clock = picture.now_s
    assert isinstance(clock, Clock)
    clock.now_s += LIVE_S - 0.01
    assert picture.live
    clock.now_s += 0.01
    picture.why_not = "nobody there"
    assert not picture.live
    assert "NOT LIVE for 3 s" in drawn(picture, 120)
    assert "nobody there" in drawn(picture, 120)
    picture.answered()
    picture.connected = False
    assert not picture.live


def test_a_stale_symbol_and_what_is_amiss_are_shown(picture: Picture) -> None:
    picture.take(Notice("stale", "binance", BTC))
    picture.take(Notice("inside", "binance", BTC, "diverged"))  # says nothing of its marks
    picture.amiss = [f"stale marks: {number}" for number in range(5)]
    text = drawn(picture, 120)
    assert "stale   " in text
    assert "stale marks: 2 and 2 more" in text
    picture.take(Notice("fresh", "binance", BTC))
    picture.amiss = ()
    assert "stale" not in drawn(picture, 120)


def test_a_key_for_alerts_alone_is_told_so(picture: Picture) -> None:
    picture.rows, picture.hidden = [], "this key lacks the scope accounts:read"
    assert "lacks the scope" in drawn(picture, 120)


def test_accounts_are_watched_by_id_or_beginning() -> None:
    picture = Picture("u", patterns=("desk-*", "a1"))
    assert [name for name in ("desk-7", "a1", "a11", "b") if picture.wants(name)] == [
        "desk-7",
        "a1",
    ]
    assert Picture("u").wants("anybody")


def test_shards_are_written_short() -> None:
    assert ranges([3, 1, 0, 2, 7, 9, 8]) == "0-3, 7-9"
    assert ranges([5]) == "5"
    assert ranges([]) == ""


def said(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        one = json.loads(line)
        yield one["type"], one.get("accountId", "")


def test_lines_say_what_is_new_and_nothing_twice(picture: Picture) -> None:
    lines = Lines(picture)
    assert [json.loads(line)["live"] for line in lines.state()] == [True]
    assert lines.state() == []
    assert [name for _, name in said(lines.accounts())] == ["gone", "near", "blind"]
    assert lines.accounts() == []
    older = [Row(row.account_id, row.level, row.margin_ratio, row.nearest, 999) for row in ROWS]
    picture.rows = older[:1]
    assert list(said(lines.accounts())) == [("left", "near"), ("left", "blind")]
    picture.rows = [Row("gone", "HEALTHY", 0.1)]
    assert list(said(lines.accounts())) == [("account", "gone")]
    picture.connected = False
    assert [json.loads(line)["live"] for line in lines.state()] == [False]


def test_an_alert_is_written_as_it_was_logged(picture: Picture) -> None:
    (line,) = Lines(picture).alerts([ALERT])
    told = json.loads(line)
    assert told.pop("type") == "alert"
    assert told["id"] == ALERT.id
    assert set(told) >= {"level", "marginRatio", "positions", "toRestore"}
    assert isinstance(ALERT, Alert)
