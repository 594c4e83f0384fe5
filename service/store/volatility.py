"""The volatility of the markets as the service has estimated it, beside the marks it came from.

What is kept is as of a market id, and follows from what was kept before it and the entries between
the two: whoever goes on from it comes to the same, so any worker may write it, and each write names
what it goes on from.
"""

from dataclasses import dataclass

from service.store import keys
from service.store.client import Client
from service.store.commands import load_script


@dataclass(frozen=True, slots=True)
class KeptVolatility:
    """The state of an estimator after the market stream's entry of that id."""

    market_id: int
    state: bytes


class VolatilityStore:
    """Keeps one state for all workers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._keep = load_script("keep_volatility")

    async def load(self) -> KeptVolatility | None:
        """Return what is kept; None before anything was."""
        market_id, state = await self._client.call("HMGET", keys.VOLATILITY, "id", "state")
        return None if market_id is None else KeptVolatility(int(market_id), state)

    async def kept_id(self) -> int | None:
        """Return as of which market id a state is kept."""
        market_id = await self._client.call("HGET", keys.VOLATILITY, "id")
        return None if market_id is None else int(market_id)

    async def keep(self, state: KeptVolatility, after: int | None) -> bool:
        """Keep a state in the place of the one as of `after`; False when another is there.

        Without an answer (StoreUnavailable) it may have been kept all the same.
        """
        expected = "" if after is None else after
        arguments = (expected, state.market_id, state.state)
        return bool(await self._client.run(self._keep, (keys.VOLATILITY,), arguments))
