"""The study of marks on the real crash: one source's wick stays its own, and a fall is followed."""

import os
from pathlib import Path

import numpy as np
import pytest

from studies.marks.__main__ import ACCOUNTS, DOCUMENT, PICTURE, main
from studies.marks.tape import RULE, SOURCES, Marked, read_marked
from studies.marks.wicks import agreed, furthest_alone, furthest_when_agreed, wicks
from tests.simulation.tape import BARS, SHARED, needs_tape

SOAK = os.environ.get("PLIMSOLL_SOAK") == "1"
BEGIN_S = 1_760_129_100  # of the tape
START_S, END_S = 2_100, 2_200  # Gemini's WIF falls by three quarters

pytestmark = needs_tape


@pytest.fixture(scope="module")
def marked() -> Marked:
    return read_marked(BARS, BEGIN_S + START_S, BEGIN_S + END_S)


def test_the_deepest_wick_of_one_source_stays_its_own(marked: Marked) -> None:
    deepest = wicks(marked)[0]
    assert (deepest.coin, deepest.source) == ("WIF", "gemini")
    assert deepest.depth < -0.5
    assert deepest.index_then > -0.1
    assert deepest.mark_then > -0.15
    assert 0.0 < furthest_alone(marked) <= RULE.band


def test_where_sources_agree_the_index_is_with_them_at_once(marked: Marked) -> None:
    assert agreed(marked).any()
    assert furthest_when_agreed(marked) < 1e-9
    row = marked.coins.index("AAVE")
    fell = marked.index[:, row]
    assert np.nanmin(fell) < 0.9 * np.nanmax(fell), "a real fall is followed"


def test_what_is_known_at_the_end_of_a_second(marked: Marked) -> None:
    ends = marked.seconds(BEGIN_S + START_S + 10, 3)
    rows = [np.flatnonzero(marked.time_ms <= end)[-1] for end in ends.time_ms.tolist()]
    assert np.array_equal(ends.said, marked.said[rows], equal_nan=True)
    row, column = marked.coins.index("WIF"), SOURCES.index("coinbase")
    assert not np.isnan(ends.index[:, row]).any()
    assert marked.said.shape[1:] == (len(marked.coins), len(SOURCES))
    assert np.isfinite(marked.said[:, row, column]).any()


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="PLIMSOLL_SOAK=1 plays the whole tape")
def test_the_document_is_what_the_study_gives(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "docs").mkdir()
    (tmp_path / DOCUMENT).write_text((root / DOCUMENT).read_text())
    assert main(["--data", str(SHARED / "data"), "--root", str(tmp_path)]) == 0
    for path in (DOCUMENT, PICTURE):
        assert (tmp_path / path).read_text() == (root / path).read_text()
    print(f"{ACCOUNTS} accounts on five marks")
