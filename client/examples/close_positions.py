"""A bot that closes what it should: an account in danger gets the order that makes it healthy.

    python close_positions.py a1 a2       (no names: all accounts)

An alert only says where to look. It may be old (the bot was away) or come again (the bot fell over
before it had dealt with it), so the bot asks how the account stands *now* and acts on that, and
gives its order an id made of the alert's, by which an exchange refuses a second one.
"""

import asyncio
import os
import sys

from plimsoll import AsyncClient, NotFound, PoolRisk, PositionRisk, Snapshot, StoredAccountRisk

URL = os.environ.get("PLIMSOLL_URL", "http://127.0.0.1:8000")
CURSOR = os.environ.get("PLIMSOLL_CURSOR", "orders-cursor.txt")
TOKEN = os.environ.get("PLIMSOLL_TOKEN")
DANGER = {"MARGIN_CALL", "LIQUIDATION", "BANKRUPT"}


async def place_order(order_id: str, symbol: str, side: str, contracts: float) -> None:
    """Stands for ccxt's `create_order(symbol, "market", side, contracts, params={"reduceOnly":
    True, "clientOrderId": order_id})`."""
    print(f"order {order_id}: {side} {contracts:g} {symbol}, reduce only", flush=True)


def what_to_close(risk: StoredAccountRisk, pool: PoolRisk) -> tuple[PositionRisk, float] | None:
    """Return the position nearest to liquidation whose reduction alone restores the pool.

    Where none does, all of the nearest one; the next look at the account goes on from there.
    """
    enough = {(each.symbol, each.side): each.contracts for each in pool.to_restore.reduce}
    positions = [
        position
        for position in sorted(risk.positions, key=distance)
        if position.margin_mode == pool.kind and (position.symbol, position.side) in enough
    ]
    for position in positions:
        contracts = enough[position.symbol, position.side]
        if contracts is not None:
            return (position, contracts) if contracts > 0.0 else None
    return (positions[0], positions[0].contracts) if positions else None


def distance(position: PositionRisk) -> float:
    return float("inf") if position.distance_pct is None else position.distance_pct


async def rescue(client: AsyncClient, account_id: str, reason: str) -> None:
    try:
        risk = await client.account_risk(account_id)
    except NotFound:
        return
    for number, pool in enumerate(risk.pools):
        if pool.level in DANGER and (found := what_to_close(risk, pool)):
            position, contracts = found
            print(
                f"{account_id} is at {pool.level}: {position.symbol} {position.side} is liquidated"
                f" at {position.liquidation_price}, now {position.mark_price}",
                flush=True,
            )
            side = "sell" if position.side == "long" else "buy"
            await place_order(f"{reason}-{number}", position.symbol, side, contracts)


async def guard(accounts: list[str]) -> None:
    async with AsyncClient(URL, token=TOKEN) as client:
        async for event in client.alerts(accounts, cursor_file=CURSOR):
            if isinstance(event, Snapshot):
                if event.history_lost:
                    print("alerts were missed; looking at every account in danger", flush=True)
                for state in event.accounts:
                    seq = max(pool.seq for pool in state.pools)
                    await rescue(client, state.account_id, f"{state.account_id}-{seq}")
            elif event.level in DANGER:
                await rescue(client, event.account_id, event.id)


if __name__ == "__main__":
    asyncio.run(guard(sys.argv[1:] or ["*"]))
