"""The demo for real, short: alerts within seconds, an end by itself, a picture."""

import re
from pathlib import Path

from tests.e2e.running_service import run_to_end


def test_the_demo_prints_alerts_and_ends_by_itself(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    ended = run_to_end(
        *("demo", "--plain", "--seconds", "10", "--port", "0", "--export-svg", str(picture)),
        seconds=100.0,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "loaded 16 contracts with their tiers and 320 accounts" in ended.stdout
    for level in ("WARNING", "MARGIN_CALL", "LIQUIDATION"):
        assert re.search(rf"^\d\d:\d\d:\d\d\.\d  {level} +\w+-\d+ ", ended.stdout, re.MULTILINE)
    seen = re.search(r"(\d+) alerts seen", ended.stdout)
    assert seen is not None
    assert int(seen.group(1)) > 10
    svg = picture.read_text()
    assert "LIQUIDATION" in svg
    assert "@font-face" not in svg
