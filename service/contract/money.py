"""Money by level, as monitors report it and `GET /metrics` shows it."""

from msgspec import Struct

from service.contract.alerts import LevelName


class MoneyAtLevel(Struct, rename="camel"):
    """Sums over the priced pools of a level that settle in an asset, counted in that asset."""

    level: LevelName
    asset: str
    equity: float
    maintenance_margin: float
    shortfall: float  # what their equity is below zero
