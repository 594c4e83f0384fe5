"""`plimsoll owe`: the figures of docs/owing.md, in words, and what cannot be asked."""

import pytest
from typer.testing import CliRunner

from service.cli import cli

BTC = ["owe", "BTC/USDT:USDT", "long", "1", "60000"]
ALONE = [*BTC, "--leverage", "10", "--gap", "12"]


def told(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_ten_times_long_alone_is_as_the_page_works_it_out() -> None:
    """9.55 % to liquidation, 10 % to a debt, 1,226.40 missing after 12 %."""
    text = told(*ALONE)
    for line in (
        "gap to liquidation      9.5477387 %",
        "gap to a debt           10 %",
        "most that can be lost   60,000",
        "after a gap of -12 % to 52,800: BANKRUPT",
        "1,226.4 USDT of it: you",
        "You would owe 1,226.4 USDT.",
    ):
        assert line in text


def test_where_the_venue_protects_its_fund_pays() -> None:
    text = told(*ALONE, "--venue", "binance")
    assert "gap to a debt           never: the venue leaves no debt" in text
    assert "of it: the venue's insurance fund" in text
    assert text.endswith("You would owe nothing.\n")


def test_a_short_rises_into_debt_and_may_lose_without_bound() -> None:
    text = told("owe", "BTC/USD:BTC", "short", "60000", "60000", "--margin", "0.1", "--gap", "5")
    assert "after a gap of +5 % to 63,000" in text
    short = told("owe", "BTC/USDT:USDT", "short", "1", "60000", "--margin", "6000", "--cross")
    assert "most that can be lost   without bound" in short


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (BTC, "either --leverage or --margin"),
        ([*ALONE, "--margin", "1"], "either --leverage or --margin"),
        ([*BTC, "--leverage", "0"], "a number above 0"),
        ([*ALONE, "--gap", "100"], "no price falls"),
        ([*ALONE, "--mark", "nan"], "a number above 0"),
        ([*BTC, "--margin", "inf"], "a finite number"),
        ([*ALONE, "--venue", "nowhere"], "one of generic"),
        ([*ALONE, "--maintenance", "101"], "0 to 100"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(cli, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 2
    assert words in done.output
