"""A venue asked by ccxt: one call or one a symbol, what fails, what is never said."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import cli
from service.errors import InvalidInput, StoreUnavailable
from service.imports.from_ccxt import exchange_of, keys_of, read_exchange, told
from service.imports.records import Asked, Reading
from tests.imports.forms import BTC, ccxt_tiers, plain_tiers

MARKETS: dict[str, dict[str, object]] = {
    "BTC/USDT:USDT": {"contractSize": 0.01, "linear": True, "active": True},
    "ETH/USDT:USDT": {"contractSize": 0.1, "linear": True},
    "OLD/USDT:USDT": {"contractSize": 1.0, "linear": True, "active": False},
    "BTC/USDT": {},
}


class Exchange:
    """What is used of ccxt's classes; `all_at_once` is what fetch_leverage_tiers gives."""

    def __init__(self, name: str, all_at_once: Callable[[], object] | None = None) -> None:
        self.id = name
        self.has = {
            "fetchLeverageTiers": all_at_once is not None,
            "fetchMarketLeverageTiers": "emulated" if name == "binanceusdm" else True,
        }
        self.fetch_leverage_tiers = all_at_once
        self.asked: list[str] = []

    def load_markets(self) -> Mapping[str, object]:
        return MARKETS

    def fetch_market_leverage_tiers(self, symbol: str) -> object:
        self.asked.append(symbol)
        if symbol.startswith("ETH"):
            raise TimeoutError("okx GET https://venue.example/tiers?key=k1&signature=s3cret")
        return plain_tiers([(0, 500, 0.01, 50), (501, None, 0.02, 25)])


def read(exchange: Exchange, asked: Asked | None = None) -> Reading:
    return asyncio.run(read_exchange(exchange, asked or Asked()))


def test_one_call_gives_all_tables_where_the_venue_has_one() -> None:
    exchange = Exchange(
        "binanceusdm", lambda: {"BTC/USDT:USDT": ccxt_tiers("BTC/USDT:USDT", BTC), "X/Y:Y": []}
    )
    (document,) = read(exchange).documents
    assert (document.venue, document.contract_size) == ("binance", 0.01)
    assert document.tiers[1].maintenance_amount == 300.0
    assert exchange.asked == []
    assert read(exchange).remarks == ["1 of 2 listed contracts came without a table"]


def test_else_every_symbol_is_asked_for_and_one_that_fails_stops_no_other() -> None:
    exchange = Exchange("okx")
    reading = read(exchange)
    assert exchange.asked == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    (document,) = reading.documents
    assert (document.symbol, document.tier_unit) == ("BTC/USDT:USDT", "contracts")
    (refusal,) = reading.refusals
    assert (refusal.symbol, refusal.code) == ("ETH/USDT:USDT", "not_fetched")
    assert "TimeoutError" in refusal.detail
    assert "s3cret" not in str(refusal)


def test_gate_is_asked_symbol_by_symbol_because_the_call_for_all_is_made_up() -> None:
    exchange = Exchange("gate", dict)
    read(exchange, Asked(symbols=("BTC/USDT:USDT",)))
    assert exchange.asked == ["BTC/USDT:USDT"]


def test_a_venue_that_is_away_is_said_in_a_line_without_a_secret() -> None:
    def away() -> object:
        raise ConnectionError("GET https://venue.example/x?apiKey=k1&signature=s3cret\nmore")

    with pytest.raises(StoreUnavailable, match="binanceusdm by ccxt: ConnectionError") as caught:
        read(Exchange("binanceusdm", away))
    assert "s3cret" not in str(caught.value)
    assert "\n" not in told(ValueError("a\nb"))


def test_keys_come_from_variables_or_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden\n")
    said = {"PLIMSOLL_VENUE_API_KEY": "k", "PLIMSOLL_VENUE_SECRET_FILE": str(file)}
    assert keys_of(said) == {"apiKey": "k", "secret": "hidden"}
    assert keys_of({}) == {}
    with pytest.raises(InvalidInput, match="PLIMSOLL_VENUE_SECRET_FILE"):
        keys_of({"PLIMSOLL_VENUE_SECRET_FILE": str(tmp_path / "none")})


def test_without_ccxt_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    ended = CliRunner().invoke(cli, ["instruments", "import", "ccxt:bybit", "--dry-run"])
    assert ended.exit_code == 1
    assert "pip install 'plimsoll-risk[ccxt]'" in ended.output
    with pytest.raises(InvalidInput, match="these are"):
        exchange_of("system")
