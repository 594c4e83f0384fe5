"""The study of the crash: by hand on a tape of a few seconds, whole on a tiny one, on the real one.

By hand: 1,000 contracts of 10 USD at 100 are 100 coins, at ten times leverage 10 coins of margin.
At P they are worth 10,000 / P coins; 1 % of that is required.
"""

import gzip
import os
from pathlib import Path

import numpy as np
import orjson
import pytest

from service.errors import InvalidInput
from service.risk.model import Account, Balance, Position
from studies.crash.__main__ import ACCOUNTS, SEED, main
from studies.crash.accounts import LEVERAGES, VENUE, Listing, Trader, draw_traders
from studies.crash.picture import draw
from studies.crash.play import SLIPPAGES, Fates, play
from studies.crash.study import (
    BARS,
    ENTRY_S,
    TIERS,
    Study,
    fund_needed,
    late_share,
    liquidated,
    liquidated_path,
    run_study,
    shortfall_path,
    study_of,
)
from studies.crash.tape import FRESH_S, Tape, read_crash
from tests.simulation.tape import SHARED, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
TIER = [0.0, 1e9, 0.01, 50.0, 0.0]
COIN = Listing("AAA", 100.0, [TIER])
LONG = Trader(
    Account(
        "long",
        VENUE,
        positions=(Position(COIN.symbol, 1_000.0, 100.0, isolated=True, leverage=10.0),),
    ),
    10.0,
)
CROSS = Trader(  # 1,000 USD behind the same long
    Account(
        "cross",
        VENUE,
        "multi",
        (Balance("USD", 1_000.0),),
        (Position(COIN.symbol, 1_000.0, 100.0, leverage=10.0),),
    ),
    10.0,
)


def tape_of(last: list[float], fill: list[float], spot: list[float]) -> Tape:
    columns = (np.array([each]).T for each in (last, fill, spot))
    return Tape(ENTRY_S, ("AAA",), *columns)


def played(tape: Tape, marks: str, *traders: Trader) -> Fates:
    return play(tape, getattr(tape, marks), list(traders), [COIN])


@pytest.mark.parametrize(("price", "second"), [(91.9, -1), (91.8, 2)])
def test_whoever_has_what_is_required_is_left_alone(price: float, second: int) -> None:
    """10 + 100 - 10,000 / P: 1.186 of 1.088 coins at 91.9, 1.068 of 1.089 at 91.8."""
    tape = tape_of([100.0, 95.0, price], [95.0, price, price], [100.0] * 3)
    assert played(tape, "last", LONG).second.tolist() == [second]


def test_a_liquidation_is_closed_at_the_next_bar_and_what_is_missing_is_owed() -> None:
    """At 89: 10 - 12.36 coins. Closed at 80: 10 - 25, and 0.0625 for 125 coins; a coin is 99."""
    tape = tape_of([100.0, 89.0, 70.0], [89.0, 80.0, 70.0], [100.0, 99.0, 98.0])
    fates = played(tape, "last", LONG)
    assert (fates.second.tolist(), fates.size.tolist()) == ([1], [10_000.0])
    missing = [25.0 + 0.0625 - 10.0]
    for slippage in SLIPPAGES[1:]:
        coins = 10_000.0 / (80.0 * (1.0 - slippage))
        missing.append(coins - 100.0 + 0.0005 * coins - 10.0)
    assert fates.owed[:, 0] == pytest.approx([99.0 * each for each in missing], rel=1e-12)
    assert fates.fund[:, 0] == pytest.approx(fates.owed[:, 0], rel=1e-12)
    assert fates.to_fund[:, 0] == pytest.approx(-fates.owed[:, 0], rel=1e-12)
    assert (fates.kept.max(), fates.equity[0]) == (0.0, 0.0)


def test_what_is_left_is_the_traders_or_the_funds() -> None:
    """At 91.8: 110 - 108.932 coins, less 0.0545."""
    tape = tape_of([100.0, 91.8], [91.8, 91.8], [100.0, 100.0])
    fates = played(tape, "last", LONG)
    coins = 10_000.0 / 91.8
    left = 100.0 * (110.0 - coins - 0.0005 * coins)
    assert fates.kept[0, 0] == pytest.approx(left, rel=1e-12)
    assert fates.to_fund[0, 0] == pytest.approx(left, rel=1e-12)
    assert fates.owed[0, 0] == fates.fund[0, 0] == 0.0


def test_on_the_spot_median_the_same_account_lives() -> None:
    """At 98: 110 - 102.04 coins, worth 98 each."""
    tape = tape_of([100.0, 89.0, 70.0], [89.0, 80.0, 70.0], [100.0, 99.0, 98.0])
    fates = played(tape, "spot", LONG)
    assert fates.second.tolist() == [-1]
    assert fates.equity[0] == pytest.approx(98.0 * (110.0 - 10_000.0 / 98.0), rel=1e-12)


def test_a_spot_mark_closes_later_and_into_the_same_book() -> None:
    """Spot is at 91.8 when the book is at 50: 110 - 200 - 0.1 coins, worth 91.8 each."""
    tape = tape_of([100.0, 90.0, 50.0], [91.0, 50.0, 50.0], [100.0, 99.0, 91.8])
    fates = played(tape, "spot", LONG)
    assert fates.second.tolist() == [2]
    assert fates.owed[0, 0] == pytest.approx(91.8 * 90.1, rel=1e-12)


def test_cross_has_dollars_and_a_coins_worth_is_its_spot_median() -> None:
    """At 89, a coin at 99: 1,000 - 99 * 12.36; closed at 80: 1,000 - 99 * 25.0625."""
    tape = tape_of([100.0, 89.0, 70.0], [89.0, 80.0, 70.0], [100.0, 99.0, 98.0])
    fates = played(tape, "last", CROSS)
    assert fates.owed[0, 0] == pytest.approx(99.0 * 25.0625 - 1_000.0, rel=1e-12)


def test_paths_count_up_and_a_fund_is_as_deep_as_its_lowest() -> None:
    fates = Fates.of(3)
    fates.second[:] = [1, 0, -1]
    fates.fund[1, :2], fates.to_fund[1, :2] = [30.0, 5.0], [-30.0, 10.0]
    assert liquidated_path(fates, 4).tolist() == [1.0, 2.0, 2.0, 2.0]
    assert shortfall_path(fates, 4).tolist() == [5.0, 35.0, 35.0, 35.0]
    assert fund_needed(fates) == 20.0
    fates.to_fund[1, :2] = [-10.0, 10.0]
    assert fund_needed(fates) == 0.0


def test_a_shortfall_is_late_when_the_last_price_closed_so_long_before() -> None:
    last, spot = Fates.of(3), Fates.of(3)
    last.second[:], spot.second[:] = [0, 0, -1], [60, 59, 60]
    spot.fund[1] = [30.0, 10.0, 10.0]
    tape = tape_of([1.0], [1.0], [1.0])
    assert late_share(Study(tape, [COIN], [], 0, last, spot), 60) == 0.6


def test_traders_are_as_is_said_of_them() -> None:
    steep = Listing("BBB", 2.0, [[0.0, 6_000.0, 0.01, 20.0, 0.0], [6_000.0, 1e9, 0.1, 4.0, 540.0]])
    traders = draw_traders(4_000, 3, [COIN, steep])
    leverage = np.array([each.leverage for each in traders])
    assert leverage.min() >= LEVERAGES[0]
    assert leverage.max() <= LEVERAGES[1]
    for each in traders:
        sizes = {p.symbol: abs(p.contracts) * 10.0 for p in each.account.positions}
        assert each.leverage <= 4.0 or sizes.get(steep.symbol, 0.0) < 6_000.0
    assert np.mean([each.is_cross for each in traders]) == pytest.approx(0.5, abs=0.03)
    sides = [p.side == "long" for each in traders for p in each.account.positions]
    assert np.mean(sides) == pytest.approx(0.7, abs=0.03)
    assert traders == draw_traders(4_000, 3, [COIN, steep])
    assert traders != draw_traders(4_000, 4, [COIN, steep])


def data_with(folder: Path, rows: list[tuple[int, str, str, float, float]]) -> Path:
    """A data folder; rows are second, venue, ticker, open and close."""
    lines = ["ts,venue,symbol,open,high,low,close"]
    for second, venue, ticker, first, last in sorted(rows):
        prices = f"{first},{max(first, last)},{min(first, last)},{last}"
        lines.append(f"{ENTRY_S + second},{venue},{ticker},{prices}")
    (folder / BARS).parent.mkdir()
    (folder / BARS).write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / TIERS).write_bytes(gzip.compress(orjson.dumps({"AAA/USDT:USDT": [TIER]})))
    return folder


PERPETUAL = ("binance-delivery", "AAAUSD_PERP")
SPOTS = (("coinbase", "AAA-USD"), ("gemini", "AAAUSD"), ("binance", "AAAUSDT"))
FALL = [
    *((0, *each, 100.0, 100.0) for each in (PERPETUAL, *SPOTS)),
    (1, *PERPETUAL, 99.0, 60.0),
    (3, *PERPETUAL, 40.0, 41.0),
    *((1, *each, 100.0, price) for each, price in zip(SPOTS, (97.0, 98.0, 30.0), strict=True)),
    (9, "coinbase", "ZZZ-USD", 1.0, 1.0),  # has no perpetual
]


def test_the_tape_is_read_as_last_prices_next_fills_and_spot_medians(tmp_path: Path) -> None:
    tape = read_crash(data_with(tmp_path, FALL) / BARS, ENTRY_S, 5)
    assert tape.coins == ("AAA",)
    assert tape.last[:, 0].tolist() == [100.0, 60.0, 60.0, 41.0, 41.0]
    assert tape.fill[:, 0].tolist() == [99.0, 40.0, 40.0, 41.0, 41.0]
    assert tape.spot[:, 0].tolist() == [100.0, 97.0, 97.0, 97.0, 97.0]


def test_a_source_counts_for_a_minute_and_the_newest_when_none_does(tmp_path: Path) -> None:
    rows = [
        (0, *PERPETUAL, 100.0, 100.0),
        (0, *SPOTS[0], 100.0, 100.0),
        (10, *SPOTS[1], 90.0, 90.0),
    ]
    spot = read_crash(data_with(tmp_path, rows) / BARS, ENTRY_S, 200).spot[:, 0]
    assert (spot[9], spot[10], spot[FRESH_S], spot[FRESH_S + 1]) == (100.0, 95.0, 95.0, 90.0)
    assert (spot[10 + FRESH_S], spot[11 + FRESH_S], spot[-1]) == (90.0, 90.0, 90.0)


def test_a_market_without_a_price_at_the_start_is_refused(tmp_path: Path) -> None:
    data = data_with(tmp_path, FALL)
    with pytest.raises(InvalidInput, match="no price of AAA"):
        read_crash(data / BARS, ENTRY_S - 1, 5)


MARKS = "<!-- python -m studies.crash writes from here -->\nold\n<!-- to here -->"


def pages(root: Path) -> dict[str, str]:
    return {
        name: (root / name).read_text() for name in ("README.md", "docs/crash.md", "docs/crash.svg")
    }


def test_the_command_writes_the_documents_the_same_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(f"before\n{MARKS}\nafter\n")
    (root / "docs" / "crash.md").write_text(f"# Title\n{MARKS}\nend\n")
    given = ["--data", str(tmp_path), "--root", str(root), "--accounts", "40"]
    assert main(given) == 1
    assert "not there" in capsys.readouterr().err
    data_with(tmp_path, FALL)
    assert main([*given, "--check"]) == 1
    assert main(given) == 0
    first = pages(root)
    assert first["README.md"].startswith("before\n")
    assert first["README.md"].endswith("\nafter\n")
    assert "old" not in first["README.md"] + first["docs/crash.md"]
    assert "40 accounts (seed 7)" in first["README.md"]
    assert main([*given, "--check"]) == main(given) == 0
    assert pages(root) == first
    assert main([*given, "--check", "--seed", "8"]) == 1
    assert pages(root) == first


def test_nobody_liquidated_makes_a_picture_too() -> None:
    tape = tape_of([100.0] * 3, [100.0] * 3, [100.0] * 3)
    study = study_of(tape, [COIN], 10, 1)
    assert not liquidated(study.last).any()
    assert draw(study).count("<polyline") == 6


@needs_tape
def test_the_real_crash_in_small() -> None:
    """Six minutes from 21:15 on; whoever pays, the money is the same."""
    study = run_study(SHARED / "data", 300, SEED, ENTRY_S + 1_500, 360)
    assert study.tape.coins == ("AAVE", "ATOM", "BCH", "ETC", "TRX", "WIF")
    for fates in (study.last, study.spot):
        assert fates.fund == pytest.approx(fates.owed, rel=1e-9)
        assert fates.to_fund == pytest.approx(fates.kept - fates.owed, rel=1e-9, abs=1e-6)
        assert not (fates.owed[:, ~liquidated(fates)] > 0.0).any()
        assert np.all(np.diff(fates.kept - fates.owed, axis=0) <= 1e-6)  # slippage only costs
    assert study.last_alone.sum() > 30
    assert study.spot.owed.sum() > study.last.owed.sum() > 0.0


@needs_tape
@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="takes a minute: make soak")
def test_the_documents_have_what_the_study_gives() -> None:
    given = ["--data", str(SHARED / "data"), "--accounts", str(ACCOUNTS), "--check"]
    assert main(given) == 0
