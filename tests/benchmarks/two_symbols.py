"""A market whose accounts hold two symbols each: one of a few, and one that everybody has.

Either one's move brings an account to WARNING, and back. So alerts can be had evenly, some at a
time, or all in one burst.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import orjson

from service.store.market_stream import MarketStream, NewMark

ACCOUNTS_A_SYMBOL = 10
CALM, MOVED = 100.0, 98.5
SHARED = "BTC/USDT:USDT"
_REFRESH_S, _PARTS = 4.0, 20  # every symbol ticks so often, some at a time


class TwoSymbols:
    """Its accounts are `names`, its symbols besides the shared one `symbols`."""

    def __init__(self, accounts: int, market: MarketStream) -> None:
        self.names = [f"a{number:05d}" for number in range(accounts)]
        self.symbols = [f"S{number}/USDT:USDT" for number in range(accounts // ACCOUNTS_A_SYMBOL)]
        self._prices = dict.fromkeys((SHARED, *self.symbols), CALM)
        self._market = market

    async def turn(self, symbols: Iterable[str]) -> None:
        """Move each of the symbols down, or back."""
        turned = list(symbols)
        for symbol in turned:
            self._prices[symbol] = CALM if self._prices[symbol] == MOVED else MOVED
        await self._tell(turned)

    @contextlib.asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Let every symbol tick where it is: one without a mark is stale, and all are told."""
        await self._tell(self._prices)

        async def tick() -> None:
            while True:
                symbols = list(self._prices)
                for part in range(_PARTS):
                    await self._tell(symbols[part::_PARTS])
                    await asyncio.sleep(_REFRESH_S / _PARTS)

        task = asyncio.create_task(tick())
        try:
            yield
        finally:
            task.cancel()

    async def _tell(self, symbols: Iterable[str]) -> None:
        marks = [
            {"venue": "generic", "symbol": symbol, "markPrice": self._prices[symbol]}
            for symbol in symbols
        ]
        await self._market.append_marks(
            [NewMark("generic", str(mark["symbol"]), orjson.dumps(mark)) for mark in marks]
        )

    def instruments(self) -> list[dict[str, object]]:
        tier = {"minNotional": 0, "maxNotional": None, "maintenanceMarginRate": 0.01}
        contract = {"linear": True, "contractSize": 1.0, "quote": "USDT", "settle": "USDT"}
        return [
            {"symbol": symbol, "base": symbol.partition("/")[0], **contract, "tiers": [tier]}
            for symbol in self._prices
        ]

    def accounts(self) -> list[dict[str, object]]:
        position = {"side": "long", "contracts": 1, "entryPrice": CALM, "marginMode": "cross"}
        lines = {"warning": 0.5, "marginCall": 0.8, "hysteresis": 0.0, "easeAfterMs": 0}
        return [
            {
                "id": name,
                "balances": [{"asset": "USDT", "amount": 5}],
                "positions": [
                    {**position, "symbol": symbol, "leverage": 20}
                    for symbol in (self.symbols[number // ACCOUNTS_A_SYMBOL], SHARED)
                ],
                "thresholds": lines,
            }
            for number, name in enumerate(self.names)
        ]
