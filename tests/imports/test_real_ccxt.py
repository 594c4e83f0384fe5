"""ccxt's own classes, asked for real: venues on loopback that answer as they document it."""

import asyncio
from typing import Any

import pytest

from service.contract.instruments import InstrumentDocument
from service.imports.from_ccxt import exchange_of, read_exchange
from service.imports.records import Asked, Reading
from tests.imports.forms import BTC, Rows, brackets
from tests.imports.mock_venue import Answers, Query, mock_venue

pytest.importorskip("ccxt", reason="ccxt is not installed: it is an extra")


def read(name: str, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> tuple[Reading, list[str]]:
    monkeypatch.setenv("PLIMSOLL_VENUE_API_KEY", "k")
    monkeypatch.setenv("PLIMSOLL_VENUE_SECRET", "s")
    exchange = exchange_of(name)
    with mock_venue(exchange, answers) as asked:
        return asyncio.run(read_exchange(exchange, Asked())), asked


def sizes(document: InstrumentDocument) -> list[tuple[float | None, ...]]:
    return [
        (row.min_notional, row.max_notional, row.maintenance_margin_rate, row.maintenance_amount)
        for row in document.tiers
    ]


def binance_symbol(name: str, base: str, quote: str, margin: str, **more: object) -> dict[str, Any]:
    return {
        "symbol": name,
        "pair": base + quote,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "contractStatus": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": margin,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "filters": [],
        **more,
    }


def test_binance_usd_margined(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "/fapi/v1/exchangeInfo": {"symbols": [binance_symbol("BTCUSDT", "BTC", "USDT", "USDT")]},
        "/fapi/v1/leverageBracket": [brackets("BTCUSDT", BTC)],
    }
    reading, asked = read("binanceusdm", answers, monkeypatch)
    assert not reading.refusals
    (document,) = reading.documents
    assert (document.venue, document.symbol) == ("binance", "BTC/USDT:USDT")
    assert (document.linear, document.contract_size) == (True, 1.0)
    assert sizes(document) == [(row[0], row[1], row[2], row[4]) for row in BTC]
    assert all(path.startswith("/fapi/") for path in asked)


def test_binance_coin_margined_in_the_coin(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Rows = ((0.0, 5.0, 0.004, 125.0, 0.0), (5.0, 10.0, 0.005, 100.0, 0.005))
    symbol = binance_symbol("BTCUSD_PERP", "BTC", "USD", "BTC", contractSize=100)
    answers = {
        "/dapi/v1/exchangeInfo": {"symbols": [symbol]},
        "/dapi/v2/leverageBracket": [brackets("BTCUSD_PERP", rows, "qty")],
        "/dapi/v1/leverageBracket": [brackets("BTCUSD_PERP", rows, "qty")],
    }
    reading, _ = read("binancecoinm", answers, monkeypatch)
    assert not reading.refusals
    (document,) = reading.documents
    assert (document.symbol, document.linear) == ("BTC/USD:BTC", False)
    assert (document.contract_size, document.tier_unit) == (100.0, "notional")
    assert sizes(document) == [(row[0], row[1], row[2], row[4]) for row in rows]


def test_bybit_with_its_deduction(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = {
        "symbol": "BTCUSDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "maxOrderQty": "1190"},
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100", "leverageStep": "0.01"},
    }
    tiers = [
        {
            "id": place,
            "symbol": "BTCUSDT",
            "riskLimitValue": cap,
            "maintenanceMargin": rate,
            "initialMargin": initial,
            "isLowestRisk": int(place == 1),
            "maxLeverage": leverage,
            "mmDeduction": deduction,
        }
        for place, cap, rate, initial, leverage, deduction in (
            (1, "2000000", "0.005", "0.01", "100.00", ""),
            (2, "4000000", "0.01", "0.02", "50.00", "10000"),
        )
    ]

    def listed(query: Query) -> object:
        wanted = query.get("category") == "linear" and query.get("status") is None
        return _bybit([contract] if wanted else [])

    answers = {
        "/v5/market/instruments-info": listed,
        "/v5/market/risk-limit": _bybit(tiers),
    }
    reading, _ = read("bybit", answers, monkeypatch)
    assert not reading.refusals
    (document,) = reading.documents
    assert (document.venue, document.symbol) == ("bybit", "BTC/USDT:USDT")
    assert sizes(document) == [
        (0.0, 2_000_000.0, 0.005, None),
        (2_000_000.0, 4_000_000.0, 0.01, 10_000.0),
    ]


def _bybit(rows: list[dict[str, Any]]) -> dict[str, Any]:
    result = {"category": "linear", "list": rows, "nextPageCursor": ""}
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": 1_760_000_000_000}


def test_okx_in_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "instFamily": "BTC-USDT",
        "uly": "BTC-USDT",
        "settleCcy": "USDT",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": "BTC",
        "ctType": "linear",
        "lever": "100",
        "lotSz": "1",
        "minSz": "1",
        "tickSz": "0.1",
        "state": "live",
        "listTime": "1606468572000",
        "expTime": "",
        "baseCcy": "",
        "quoteCcy": "",
    }
    tiers = [
        {"instFamily": "BTC-USDT", "instId": "", "uly": "BTC-USDT", "tier": str(place)}
        | {"minSz": low, "maxSz": high, "mmr": rate, "imr": "0.02", "maxLever": leverage}
        for place, low, high, rate, leverage in (
            (1, "0", "1000", "0.004", "100"),
            (2, "1001", "2000", "0.005", "75"),
        )
    ]

    def listed(query: Query) -> object:
        return {"code": "0", "data": [contract] if query["instType"] == "SWAP" else []}

    answers = {
        "/api/v5/public/instruments": listed,
        "/api/v5/public/position-tiers": {"code": "0", "data": tiers},
    }
    reading, _ = read("okx", answers, monkeypatch)
    assert not reading.refusals
    (document,) = reading.documents
    assert (document.venue, document.symbol) == ("okx", "BTC/USDT:USDT")
    assert (document.contract_size, document.tier_unit) == (0.01, "contracts")
    assert sizes(document) == [(0.0, 1_001.0, 0.004, None), (1_001.0, 2_000.0, 0.005, None)]
