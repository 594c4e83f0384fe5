"""The demo's accounts and contracts: valid, varied, and the same every time."""

import msgspec
import pytest

from service.contract.accounts import decode_named, to_account
from service.contract.instruments import decode_instrument
from service.demo import markets
from service.demo.accounts import demo_accounts


def test_the_seed_decides_the_accounts() -> None:
    assert demo_accounts(50, 1) == demo_accounts(50, 1)
    assert demo_accounts(50, 1) != demo_accounts(50, 2)


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_every_account_is_one_the_service_takes(seed: int) -> None:
    for document in demo_accounts(320, seed):
        account = to_account(decode_named(msgspec.json.encode(document)), document["id"])
        assert account.positions
        assert all(position.contracts for position in account.positions)


def test_there_is_one_of_every_kind() -> None:
    accounts = demo_accounts(320)
    kinds = {document["id"].partition("-")[0] for document in accounts}

    assert len({document["id"] for document in accounts}) == 320
    assert kinds == {
        "isolated",
        "cross",
        "hedged",
        "inverse",
        "basket",
        "hyperliquid",
        "bybit",
        "whale",
    }


def test_every_contract_is_one_the_service_takes() -> None:
    contracts = [decode_instrument(msgspec.json.encode(row)) for row in markets.instruments()]

    assert len(contracts) == 16
    assert {contract.symbol for contract in contracts if not contract.linear} == {
        "BTC/USD:BTC",
        "ETH/USD:ETH",
    }
