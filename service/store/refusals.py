"""Marks that were refused, counted by reason and market: what `/v1/marks` and the metrics show."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.store import keys
from service.store.client import Client
from service.store.commands import pairs


@dataclass(frozen=True, slots=True)
class Refusals:
    """How many marks were refused for a reason since the data began; `symbol` "": of no known."""

    reason: str
    venue: str
    symbol: str
    count: int


class MarkRefusals:
    """Counts what could not be read; what the gate has refused it counts itself."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, reasons: Mapping[str, int]) -> None:
        """Count marks that were no marks, by reason."""
        await self._client.batch(
            [("HINCRBY", keys.REFUSALS, f"{reason} ", many) for reason, many in reasons.items()]
        )

    async def read(self) -> list[Refusals]:
        """Return all counts, by reason and market."""
        found = []
        for name, count in pairs(await self._client.call("HGETALL", keys.REFUSALS)):
            reason, _, market = name.decode().partition(" ")
            found.append(Refusals(reason, *keys.market_of(market), int(count)))
        return sorted(found, key=lambda each: (each.reason, each.venue, each.symbol))
