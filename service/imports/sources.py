"""Where an import reads from: a file, or a venue by ccxt; read anew for every import."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from service.imports.files import read_file, read_markets
from service.imports.from_ccxt import exchange_of, read_exchange
from service.imports.records import Asked, Reading

CCXT = "ccxt:"


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is a path, or `ccxt:` and one of ccxt's classes; `markets` a dump of load_markets."""

    name: str
    asked: Asked
    markets: Path | None = None

    async def read(self) -> Reading:
        """Read it; raises InvalidInput for what cannot be understood, StoreUnavailable for away."""
        if self.name.startswith(CCXT):
            exchange = await asyncio.to_thread(exchange_of, self.name.removeprefix(CCXT))
            return await read_exchange(exchange, self.asked)
        return read_file(Path(self.name), read_markets(self.markets), self.asked)
