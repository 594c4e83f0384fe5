"""An evaluation in columns says what the same evaluation in rows says, or which row is wrong."""

from typing import Any

import httpx
import msgspec
import pytest

from service.contract.columns_answer import ColumnsAnswer
from tests.api.workers import errors_of, instrument

pytestmark = pytest.mark.anyio

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
INSTRUMENTS = [instrument(BTC), instrument(ETH)]
COLUMNS: dict[str, list[Any]] = {
    "accountId": ["b", "a", "b", "a", "c"],
    "symbol": [BTC, ETH, ETH, BTC, BTC],
    "quantity": [1.5, -2, "0.25", 0, -0.5],
    "entryPrice": [60_000, 3_000, 2_900, 1, 61_000],
    "marginMode": [None, "cross", "isolated", None, "isolated"],
    "leverage": [10, None, 5, None, None],
    "margin": [None, None, None, None, 700],
    "markPrice": [59_000, 3_100, 2_950, None, 64_000],
}
BALANCES = {"accountId": ["a", "b"], "asset": ["USDT", "USDT"], "amount": [1_000, 90]}
ACCOUNTS = {"id": ["b", "d"], "venue": ["binance", None], "collateralMode": ["single", None]}


def call(columns: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    tables = {"balanceColumns": BALANCES, "accountColumns": ACCOUNTS}
    return {"columns": COLUMNS | (columns or {}), "instruments": INSTRUMENTS} | tables | more


def as_rows() -> list[dict[str, Any]]:
    """The same accounts, in the order in which they are named first."""
    accounts: dict[str, dict[str, Any]] = {
        name: {"id": name, "positions": [], "balances": []} for name in "bdac"
    }
    accounts["b"]["venue"] = "binance"
    for values in zip(*COLUMNS.values(), strict=True):
        row = dict(zip(COLUMNS, values, strict=True))
        size = float(row.pop("quantity"))
        row |= {"contracts": abs(size), "side": "long" if size > 0 else "short"}
        accounts[row.pop("accountId")]["positions"].append(row)
    for name, asset, amount in zip(*BALANCES.values(), strict=True):
        accounts[name]["balances"].append({"asset": asset, "amount": amount})
    return list(accounts.values())


async def told(client: httpx.AsyncClient, body: dict[str, Any]) -> Any:
    response = await client.post("/v1/evaluate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def rows_of(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


@pytest.mark.parametrize("gap", [{}, {"gap": {"movePct": -20}}])
async def test_it_says_what_rows_say(alone: httpx.AsyncClient, gap: dict[str, Any]) -> None:
    answer = await told(alone, call(**gap))
    msgspec.convert(answer, ColumnsAnswer)
    body = {"accounts": as_rows(), "instruments": INSTRUMENTS} | gap
    theirs = (await told(alone, body))["accounts"]
    ours = {account["id"]: account for account in rows_of(answer["accounts"])}
    assert list(ours) == [account["id"] for account in theirs] == ["b", "d", "a", "c"]
    tables = {name: rows_of(answer[name]) for name in ("pools", "positions", "reductions")}
    for account in theirs:
        own = {
            name: [row for row in rows if row["accountId"] == account["id"]]
            for name, rows in tables.items()
        }
        expected = account["toRestore"]
        assert ours[account["id"]]["toRestoreDeposit"] == expected["deposit"]
        check(own["reductions"], expected["reduce"])
        check(own["positions"], account["positions"])
        check(own["pools"], account["pools"])
        check([ours[account["id"]]], [account])
    assert answer["positions"]["row"] == [0, 1, 2, 4]
    assert answer["positions"]["symbol"] == [BTC, ETH, ETH, BTC]


def check(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Every field that is no list or record is the same; those of a record have its name before."""
    for one, other in zip(ours, theirs, strict=True):
        for name, value in other.items():
            if isinstance(value, dict):
                for inside, cell in value.items():
                    if not isinstance(cell, list):
                        assert one[name + inside[0].upper() + inside[1:]] == cell
            elif not isinstance(value, list) and name not in ("findings", "likelihood", "afterGap"):
                assert one[name] == value


@pytest.mark.parametrize(
    ("columns", "more", "pointer", "code"),
    [
        ({"quantity": [1, 2]}, {}, "/columns/quantity", "invalid_length"),
        ({"entryPrice": [1, 2, 0, 1, 1]}, {}, "/columns/entryPrice/2", "out_of_range"),
        ({"entryPrice": [1, 2, "x", 1, 1]}, {}, "/columns/entryPrice/2", "not_a_number"),
        ({"accountId": ["b", "a", "b", " ", "c"]}, {}, "/columns/accountId/3", "invalid_name"),
        ({"margin": None, "leverage": None}, {}, "/columns/margin/2", "missing_margin"),
        ({"symbol": [BTC] * 5, "marginMode": None}, {}, "/columns/symbol/2", "duplicate_position"),
        ({}, {"findings": True}, "/findings", "invalid_value"),
        ({}, {"accountColumns": {"id": ["b", "b"]}}, "/accountColumns/id/1", "duplicate_id"),
        (
            {"accountId": ["b"] * 5, "symbol": list("vwxyz")},
            {
                "accountColumns": {
                    "id": ["b"] * 9,
                    "venue": [None] * 9,
                    "collateralMode": [None] * 9,
                }
            },
            "/accountColumns/id/1",
            "duplicate_id",
        ),
        (
            {},
            {"balanceColumns": {**BALANCES, "accountId": ["a", "a"]}},
            "/balanceColumns/asset/1",
            "duplicate_asset",
        ),
    ],
)
async def test_a_fault_is_named_by_its_column_and_row(
    alone: httpx.AsyncClient,
    columns: dict[str, Any],
    more: dict[str, Any],
    pointer: str,
    code: str,
) -> None:
    response = await alone.post("/v1/evaluate", json=call(columns, **more))
    assert response.status_code == 422, response.text
    assert (pointer, code) in errors_of(response)


async def test_a_symbol_that_nobody_listed_is_named(
    worker: httpx.AsyncClient, alone: httpx.AsyncClient
) -> None:
    body = call({"symbol": [BTC, ETH, "NO", BTC, BTC]})
    response = await worker.post("/v1/evaluate", json=body)
    assert errors_of(response) == [("/columns/symbol/2", "unknown_symbol")]
    response = await alone.post("/v1/evaluate", json=body)  # it may be listed: nobody knows yet
    assert response.status_code == 503


async def test_a_call_has_rows_or_columns(alone: httpx.AsyncClient) -> None:
    response = await alone.post("/v1/evaluate", json=call() | {"accounts": as_rows()})
    assert response.status_code == 200
    assert isinstance(response.json()["accounts"], list)
    none: dict[str, list[Any]] = {"accountId": [], "symbol": [], "quantity": [], "entryPrice": []}
    response = await alone.post("/v1/evaluate", json={"columns": none})
    assert response.status_code == 422
