"""Numbers from the ends of the range: each null has a reason, or it is a problem.

Seeded; the seed is printed when it fails.
"""

import random
from typing import Any

import httpx
import pytest

from service.contract.names import VENUES
from tests.api.workers import errors_of, instrument

pytestmark = pytest.mark.anyio

ROUNDS = 150
SYMBOLS = ["BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC", "BTC/USDC:USDC"]
ASSETS = ["USDT", "USDC", "BTC", "ETH"]
ENDS = [5e-324, 1e-300, 1e-10, 1, 60_000, 1e10, 1e100, 1e300, 1.7e308]
CODES = {"out_of_range", "duplicate_position", "conflicting_mark"}


class Extremes:
    """Makes evaluate bodies that are valid in form and absurd in size."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def size(self) -> float:
        return self._random.choice([self._random.choice(ENDS), self._random.uniform(1, 1e5)])

    def sign(self) -> int:
        return self._random.choice([-1, 1])

    def body(self) -> dict[str, Any]:
        pick = self._random
        priced = pick.sample([*SYMBOLS, "USDT/USD", "BTC/USD"], pick.randint(0, 6))
        return {
            "accounts": [self.account(f"a{number}") for number in range(3)],
            "marks": {symbol: self.size() for symbol in priced},
            "instruments": [self.listed(symbol) for symbol in SYMBOLS],
        }

    def account(self, name: str) -> dict[str, Any]:
        pick = self._random
        held = pick.sample(ASSETS, pick.randint(0, 3))
        return {
            "id": name,
            "venue": pick.choice(VENUES),
            "collateralMode": pick.choice(["single", "multi"]),
            "balances": [
                {"asset": asset, "amount": self.sign() * self.size(), "weight": pick.random()}
                for asset in held
            ],
            "positions": [self.position() for _ in range(pick.randint(0, 3))],
        }

    def position(self) -> dict[str, Any]:
        pick = self._random
        return {
            "symbol": pick.choice(SYMBOLS),
            "side": pick.choice(["long", "short"]),
            "contracts": self.size(),
            "entryPrice": self.size(),
            "leverage": pick.choice([1, 10, self.size()]),
            "marginMode": pick.choice(["isolated", "cross", None]),
            "margin": pick.choice([None, self.sign() * self.size()]),
            "markPrice": pick.choice([None, None, self.size()]),
        }

    def listed(self, symbol: str) -> dict[str, Any]:
        pick = self._random
        border = self.size()
        tiers = [
            {"minNotional": 0, "maxNotional": border, "maintenanceMarginRate": 0.01},
            {"minNotional": border, "maintenanceMarginRate": pick.uniform(0.01, 1)},
        ]
        return instrument(
            symbol,
            linear=symbol != "BTC/USD:BTC",
            contractSize=self.size(),
            tiers=tiers,
            tiering=pick.choice([None, "marginal", "whole"]),
            tierUnit=pick.choice(["notional", "contracts"]),
            takerFee=pick.choice([None, 0, 0.0005, 1]),
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_null_has_a_reason(alone: httpx.AsyncClient, seed: int) -> None:
    extremes = Extremes(seed)
    for turn in range(ROUNDS):
        response = await alone.post("/v1/evaluate", json=extremes.body())
        where = f"seed {seed}, turn {turn}"
        if response.status_code == 422:
            assert {code for _, code in errors_of(response)} <= CODES, where
            continue
        assert response.status_code == 200, where
        answer = response.json()
        assert {problem["code"] for problem in answer["problems"]} <= CODES, where
        for account in answer["accounts"]:
            assert not list(unexplained(account)), where


def unexplained(account: dict[str, Any]) -> Any:
    """Yield each null of an answer that nothing beside it explains."""
    if account["equity"] is None and account["totalsReason"] is None:
        yield "equity"
    for pool in account["pools"]:
        if pool["marginRatio"] is None and pool["reason"] is None:
            yield "marginRatio"
    for position in account["positions"]:
        for name in ("liquidationPrice", "bankruptcyPrice"):
            if (position[name] is None) != (position[f"{name}Reason"] is not None) or (
                position[name] is not None and position[name] <= 0
            ):
                yield name
