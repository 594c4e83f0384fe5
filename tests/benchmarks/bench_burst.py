"""One mark that moves every account: when the last alert is at a client of all, and when the one of
a single liquidated account at its own.

The baseline moves the same bytes over the same servers (floor.py).
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from service.contract.alerts import LEVEL_NAMES
from service.store.market_stream import NewMark
from tests.benchmarks.harness import Measurement, Size
from tests.benchmarks.whole_service import Heard, Whole, listening, whole_service

SYMBOL = "BTC/USDT:USDT"
EVERY = 100  # one account in so many goes to LIQUIDATION, the others to WARNING
CALM, BURST = 100.0, 98.5
INSTRUMENT = {
    "symbol": SYMBOL,
    "linear": True,
    "contractSize": 1.0,
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "tiers": [{"minNotional": 0, "maxNotional": None, "maintenanceMarginRate": 0.01}],
    "tiering": "marginal",
}


@dataclass
class Round:
    """Seconds from before the append of the mark."""

    all_s: float
    first_s: float
    own_s: float
    alerts: int
    bytes: int


def account(number: int) -> dict[str, object]:
    """Long one coin at 100; what is behind it decides how low it falls at 98.5."""
    wallet = 2.2 if number % EVERY == 0 else 2.9
    position = {"symbol": SYMBOL, "side": "long", "contracts": 1, "entryPrice": 100}
    return {
        "id": f"a{number:07d}",
        "balances": [{"asset": "USDT", "amount": wallet}],
        "positions": [{**position, "marginMode": "cross", "leverage": 20}],
        "thresholds": {"warning": 0.5, "marginCall": 0.8, "hysteresis": 0.0, "easeAfterMs": 0},
    }


def run(size: Size) -> Iterator[Measurement]:
    accounts, rounds = (2_000, 1) if size == "small" else (100_000, 5)
    yield asyncio.run(_measured(accounts, rounds))


async def _measured(accounts: int, rounds: int) -> Measurement:
    own = f"a{accounts // 2 // EVERY * EVERY:07d}"
    async with whole_service() as service:
        await service.market.append_marks([_mark(CALM)])
        await service.fill([INSTRUMENT], [account(number) for number in range(accounts)])
        async with listening(service.url, "*") as everybody, listening(service.url, own) as single:
            done = []
            for _ in range(rounds):
                done.append(await _round(service, accounts, everybody, single))
                _check(everybody, accounts)
                sample = next(iter(everybody.frames))[1]
                everybody.forget(), single.forget()
                await service.market.append_marks([_mark(CALM)])
                await everybody.have(accounts)
                await single.have(1)
                everybody.forget(), single.forget()
    for each in done:
        print(each)
    encode_s, decode_s = _coding(sample)
    raise SystemExit


async def _round(service: Whole, accounts: int, everybody: Heard, single: Heard) -> Round:
    started = time.perf_counter()
    await service.market.append_marks([_mark(BURST)])
    await single.have(1)
    await everybody.have(accounts)
    return Round(
        everybody.frames[-1][0] - started,
        everybody.frames[0][0] - started,
        single.frames[0][0] - started,
        everybody.alerts,
        sum(len(text) for _, text in everybody.frames),
    )


def _mark(price: float) -> NewMark:
    import orjson

    return NewMark(
        "generic", SYMBOL, orjson.dumps({"venue": "generic", "symbol": SYMBOL, "markPrice": price})
    )


def _check(heard: Heard, accounts: int) -> None:
    """Every account once, worse levels first, then by account."""
    places = [(-LEVEL_NAMES.index(alert.level), alert.account_id) for _, alert in heard.told()]
    assert len(places) == len(set(places)) == accounts
    assert all(first < second for first, second in pairwise(places)), "not in order"
    assert len({alert.market_id for _, alert in heard.told()}) == 1


def _coding(text: str) -> tuple[float, float]:
    return 0.0, 0.0


if __name__ == "__main__":
    import sys

    asyncio.run(_measured(int(sys.argv[1]), int(sys.argv[2])))
