"""Tapes: what a bar becomes, how files are read, what is refused and where."""

import gzip
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.feeds.symbols import listing
from service.feeds.tape import Frame, read_bars, read_ndjson, read_tape

HEADER = "ts,venue,symbol,open,high,low,close,volume,trades\n"
TAPE = Path(__file__).parents[3] / "shared" / "data" / "crash-2025-10-10" / "bars.csv.gz"


@pytest.mark.parametrize(
    ("venue", "ticker", "expected"),
    [
        ("binance", "POLUSDT", ("binance", "POL/USDT:USDT", "")),
        ("binance-delivery", "BCHUSD_PERP", ("binance", "BCH/USD:BCH", "")),
        ("coinbase", "AAVE-USD", ("generic", "AAVE/USD:USD", "coinbase")),
        ("gemini", "BTCUSD", ("generic", "BTC/USD:USD", "gemini")),
    ],
)
def test_tickers_get_unified_symbols(
    venue: str, ticker: str, expected: tuple[str, str, str]
) -> None:
    assert listing(venue, ticker) == expected


@pytest.mark.parametrize(
    ("venue", "ticker"),
    [("kraken", "BTCUSD"), ("binance", "BTCEUR"), ("binance", "USDT"), ("binance-delivery", "X")],
)
def test_an_unknown_ticker_is_refused(venue: str, ticker: str) -> None:
    with pytest.raises(InvalidInput):
        listing(venue, ticker)


def test_a_bar_is_told_as_open_low_high_close() -> None:
    frames = list(read_bars([HEADER, "1760129100,binance,POLUSDT,2,4,1,3,10,5\n"]))

    assert [frame.time_ms for frame in frames] == [
        1760129100000,
        1760129100250,
        1760129100500,
        1760129100750,
    ]
    assert [frame.marks[0]["markPrice"] for frame in frames] == [2.0, 1.0, 4.0, 3.0]
    assert frames[0].marks[0] == {
        "venue": "binance",
        "symbol": "POL/USDT:USDT",
        "markPrice": 2.0,
        "timestamp": 1760129100000,
    }


def test_bars_of_one_second_share_their_frames() -> None:
    rows = [
        "10,binance,POLUSDT,2,2,2,2,1,1\n",
        "10,coinbase,POL-USD,3,3,3,3,1,1\n",
        "11,binance,POLUSDT,4,4,4,4,1,1\n",
    ]
    frames = list(read_bars([HEADER, *rows]))

    assert [len(frame.marks) for frame in frames] == [2, 2, 2, 2, 1, 1, 1, 1]
    assert frames[0].marks[1]["source"] == "coinbase"
    assert [frame.time_ms for frame in frames] == sorted(frame.time_ms or 0 for frame in frames)


@pytest.mark.parametrize(
    "row",
    [
        "10,binance,POLUSDT,2,nan,2,2,1,1\n",
        "10,binance,POLUSDT,2,2,0,2,1,1\n",
        "10,binance,POLUSDT,2,2,-1,2,1,1\n",
        "10,binance,POLUSDT,2,x,2,2,1,1\n",
        "10,binance,POLUSDT,2\n",
        "ten,binance,POLUSDT,2,2,2,2,1,1\n",
    ],
)
def test_a_bad_bar_is_named_by_its_line(row: str) -> None:
    with pytest.raises(InvalidInput, match="line 3"):
        list(read_bars([HEADER, "9,binance,POLUSDT,2,2,2,2,1,1\n", row]))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInput, match="low, close"):
        list(read_bars(["ts,venue,symbol,open,high\n"]))


def test_ndjson_lines_are_marks_or_lists_of_marks() -> None:
    lines = [
        '{"symbol":"A/USDT:USDT","markPrice":1,"timestamp":5}\n',
        "\n",
        '{"marks":[{"symbol":"B/USDT:USDT","markPrice":2,"timestamp":5},'
        '{"symbol":"B/USDT:USDT","markPrice":3}]}\n',
    ]
    assert list(read_ndjson(lines)) == [
        Frame(
            5,
            [
                {"symbol": "A/USDT:USDT", "markPrice": 1, "timestamp": 5},
                {"symbol": "B/USDT:USDT", "markPrice": 2, "timestamp": 5},
            ],
        ),
        Frame(None, [{"symbol": "B/USDT:USDT", "markPrice": 3}]),
    ]


@pytest.mark.parametrize("text", ["{", "[1]", "3", '{"marks":3}', '{"marks":[3]}'])
def test_a_bad_line_is_named(text: str) -> None:
    with pytest.raises(InvalidInput, match="line 1"):
        list(read_ndjson([text]))


def test_plain_and_gzipped_files_read_alike(tmp_path: Path) -> None:
    text = HEADER + "10,binance,POLUSDT,2,4,1,3,10,5\n"
    (tmp_path / "bars.csv").write_text(text)
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(text.encode()))

    assert list(read_tape(tmp_path / "bars.csv")) == list(read_tape(tmp_path / "bars.csv.gz"))
    with pytest.raises(InvalidInput, match="neither"):
        list(read_tape(tmp_path / "bars.parquet"))


@pytest.mark.skipif(not TAPE.exists(), reason="the crash tape is not beside this checkout")
def test_the_whole_crash_tape_reads_in_order() -> None:
    bars, last_ms = 0, 0
    symbols: set[tuple[str | float, str | float]] = set()
    for frame in read_tape(TAPE):
        assert frame.time_ms is not None
        assert frame.time_ms > last_ms
        last_ms = frame.time_ms
        bars += len(frame.marks)
        symbols.update((mark["venue"], mark["symbol"]) for mark in frame.marks)

    assert bars == 4 * 89_521
    assert ("binance", "WIF/USD:WIF") in symbols
    assert ("generic", "BTC/USD:USD") in symbols
