"""The service most people would write: FastAPI, a model per position, a loop, a formula looked up.

The formula is the one freqtrade prints for isolated positions at Binance; the tier is that of the
position's notional at its mark.
"""

from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.peers.positions import TIERS


class Position(BaseModel):
    symbol: str
    side: Literal["long", "short"]
    contracts: float
    entryPrice: float  # noqa: N815  the names on the wire, as such a service has them
    markPrice: float  # noqa: N815
    leverage: float
    margin: float


class Account(BaseModel):
    id: str
    positions: list[Position]


class Asked(BaseModel):
    accounts: list[Account]


class PositionRisk(BaseModel):
    symbol: str
    side: str
    notional: float
    unrealizedPnl: float  # noqa: N815
    maintenanceMargin: float  # noqa: N815
    marginRatio: float | None  # noqa: N815
    liquidationPrice: float | None  # noqa: N815


class AccountRisk(BaseModel):
    id: str
    positions: list[PositionRisk]


class Answer(BaseModel):
    accounts: list[AccountRisk]


def build_app() -> FastAPI:
    app = FastAPI()

    @app.get("/ready")
    async def ready() -> None:
        return None

    @app.post("/v1/evaluate")
    async def evaluate(asked: Asked) -> Answer:
        return Answer(accounts=[_account_risk(account) for account in asked.accounts])

    return app


def _account_risk(account: Account) -> AccountRisk:
    return AccountRisk(id=account.id, positions=[_risk(each) for each in account.positions])


def _risk(position: Position) -> PositionRisk:
    side = 1 if position.side == "long" else -1
    notional = position.contracts * position.markPrice
    pnl = side * position.contracts * (position.markPrice - position.entryPrice)
    rate, amount = _tier(notional)
    maintenance = notional * rate - amount
    equity = position.margin + pnl
    price = (position.margin + amount - side * position.contracts * position.entryPrice) / (
        position.contracts * rate - side * position.contracts
    )
    return PositionRisk(
        symbol=position.symbol,
        side=position.side,
        notional=notional,
        unrealizedPnl=pnl,
        maintenanceMargin=maintenance,
        marginRatio=maintenance / equity if equity > 0 else None,
        liquidationPrice=price if price > 0 else None,
    )


def _tier(notional: float) -> tuple[float, float]:
    for border, rate, amount in TIERS:
        if notional <= border:
            return rate, amount
    raise ValueError("beyond the last tier")
