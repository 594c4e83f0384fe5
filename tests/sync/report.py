"""Each venue's own liquidation price against ours, from ccxt's objects posted unchanged.

`python -m tests.sync.report` prints the table. The prices are real snapshots or numbers that the
venue has published, none computed here; the fixtures name their source.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.sync.mock_rest import NAMES, fixture
from tests.sync.objects import objects_of, post, request_of


@dataclass(frozen=True)
class Row:
    """One position: the venue's price, ours, the tick, and why they differ where they do."""

    exchange: str
    symbol: str
    venue_price: float
    our_price: float | None
    tick: float
    explained: str

    @property
    def within_a_tick(self) -> bool:
        return self.our_price is not None and abs(
            self.our_price - self.venue_price
        ) <= self.tick * (1.0 + 1e-9)


async def rows_of(name: str) -> list[Row]:
    """Ask ccxt, post what it returns, and compare."""
    recorded = fixture(name)
    response = await post("/v1/evaluate:ccxt", request_of(name, await objects_of(name)))
    assert response.status_code == 200, response.text
    (account,) = response.json()["accounts"]
    return [
        Row(
            name,
            position["symbol"],
            recorded["expected"][position["symbol"]],
            position["liquidationPrice"],
            recorded["tick"],
            _explained(position, account, recorded),
        )
        for position in account["positions"]
    ]


def _explained(position: dict[str, Any], account: dict[str, Any], recorded: dict[str, Any]) -> str:
    """Say why two prices differ, with the venue's price computed by its other rule; or nothing."""
    theirs = recorded["expected"][position["symbol"]]
    if theirs == 0.0 and position["liquidationPrice"] is None:
        return f"the venue shows 0 for none: {position['liquidationPriceReason']}"
    if recorded["venue"] == "bitget" and position["marginMode"] == "cross":
        (pool,) = [one for one in account["pools"] if one["kind"] == "cross"]
        sign = 1.0 if position["side"] == "long" else -1.0
        room = pool["equity"] - pool["maintenanceMargin"]
        frozen = position["markPrice"] - sign * room / position["contracts"]
        off = abs(frozen - theirs)
        return f"bitget holds maintenance at the present mark's: so {frozen:.4f}, off by {off:.4f}"
    return ""


def table(rows: list[Row]) -> str:
    """Return the rows as text."""
    lines = [f"{'exchange':13}{'symbol':16}{'the venue':>16}{'ours':>16}{'off':>12}{'tick':>9}  "]
    for row in rows:
        ours = "none" if row.our_price is None else f"{row.our_price:.8g}"
        off = "" if row.our_price is None else f"{row.our_price - row.venue_price:+.2g}"
        verdict = "within a tick" if row.within_a_tick else row.explained
        lines.append(
            f"{row.exchange:13}{row.symbol:16}{row.venue_price:16.8g}{ours:>16}{off:>12}"
            f"{row.tick:9g}  {verdict}"
        )
    lines += ["", *(f"{name}: {fixture(name)['source']}" for name in NAMES)]
    return "\n".join(lines)


async def all_rows() -> list[Row]:
    """Return every venue's rows."""
    return [row for name in NAMES for row in await rows_of(name)]


if __name__ == "__main__":
    print(table(asyncio.run(all_rows())))
