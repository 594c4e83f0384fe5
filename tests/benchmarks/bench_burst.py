"""One mark that moves every account: until the last alert is at a client of all of them.

Beside it when the alert of one liquidated account is at its own client, what an alert weighs and
what it takes to encode and to decode. The baseline moves as many bytes in as many frames over the
same servers (floor.py).
"""

import asyncio
import hashlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import orjson

from service.contract.alerts import LEVEL_NAMES, decode_alert, encode_alert
from service.store.alert_log import AlertLog
from service.store.market_stream import NewMark
from tests.api.workers import one_tier
from tests.benchmarks.floor import STREAM, floor
from tests.benchmarks.harness import Measurement, Size, timed
from tests.benchmarks.whole_service import (
    SHARDS,
    WITHIN_S,
    Heard,
    Whole,
    frames_of,
    listening,
    whole_service,
)

SYMBOL = "BTC/USDT:USDT"
EVERY = 100  # one account in so many goes to LIQUIDATION, the others to WARNING
CALM, BURST = 100.0, 98.5


@dataclass(frozen=True, slots=True)
class Burst:
    """Seconds from before the append of the mark."""

    first_s: float
    own_s: float  # of the client of one liquidated account
    liquidated_s: float  # the last of them at the client of all
    last_s: float
    texts: list[str]


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
    yield asyncio.run(measured(accounts, rounds))


async def measured(accounts: int, rounds: int) -> Measurement:
    own = f"a{accounts // 2 // EVERY * EVERY:07d}"
    async with whole_service() as service:
        await _mark(service, CALM)
        await service.fill([one_tier(SYMBOL)], [account(number) for number in range(accounts)])
        async with listening(service.url, "*") as everybody, listening(service.url, own) as single:
            bursts = [await _burst(service, accounts, everybody, single) for _ in range(rounds)]
        texts = bursts[-1].texts
        floor_s = [await _floor(service, texts) for _ in range(rounds)]
    order = [(alert.account_id, alert.level) for _, alert in Heard.of(texts).told()]
    return Measurement(
        "burst, last alert",
        {"accounts": accounts, "liquidated": accounts // EVERY, "frames": len(texts)},
        0,
        statistics.median(each.last_s for each in bursts),
        "the same bytes in the same frames, no alert computed",
        statistics.median(floor_s),
        hashlib.sha256(orjson.dumps(order)).hexdigest()[:16],
        {
            "first_s": statistics.median(each.first_s for each in bursts),
            "own_s": statistics.median(each.own_s for each in bursts),
            "liquidated_s": statistics.median(each.liquidated_s for each in bursts),
            "slowest_s": max(each.last_s for each in bursts),
            **_coding(texts[-1]),
        },
    )


async def _burst(service: Whole, accounts: int, everybody: Heard, single: Heard) -> Burst:
    """Move everybody down and back; both are a burst, the way down is measured."""
    await _quiet(service)
    await _mark(service, CALM)  # a mark that is stale liquidates nobody
    started = time.perf_counter()
    await _mark(service, BURST)
    await single.have(1)
    await everybody.have(accounts)
    _check(everybody, accounts)
    liquidated = [at for at, alert in everybody.told() if alert.level == "LIQUIDATION"]
    burst = Burst(
        everybody.frames[0][0] - started,
        single.frames[0][0] - started,
        liquidated[-1] - started,
        everybody.frames[-1][0] - started,
        [text for _, text in everybody.frames],
    )
    for heard in (everybody, single):
        heard.forget()
    await _mark(service, CALM)
    await everybody.have(accounts)
    await single.have(1)
    for heard in (everybody, single):
        heard.forget()
    return burst


async def _quiet(service: Whole) -> None:
    """Wait until the levels of the burst before are committed too: they follow its alerts."""
    log = AlertLog(service.store, SHARDS)
    async with asyncio.timeout(WITHIN_S):
        while any(tail.settled < tail.offset for tail in await log.tails()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _floor(service: Whole, texts: Sequence[str]) -> float:
    """Return the seconds until as many frames of as many bytes were moved without computing."""
    size = sum(map(len, texts)) // len(texts)
    async with floor(service.store, service.socket) as url, frames_of(url) as heard:
        started = time.perf_counter()
        await service.store.call("XADD", STREAM, "*", "d", f"{len(texts)} {size} ")
        await heard.have_frames(len(texts))
        return heard.frames[-1][0] - started


async def _mark(service: Whole, price: float) -> None:
    payload = orjson.dumps({"venue": "generic", "symbol": SYMBOL, "markPrice": price})
    await service.market.append_marks([NewMark("generic", SYMBOL, payload)])


def _check(heard: Heard, accounts: int) -> None:
    """Every account once, worse levels first, then by account."""
    told = [alert for _, alert in heard.told()]
    places = [(-LEVEL_NAMES.index(alert.level), alert.account_id) for alert in told]
    assert len(places) == accounts
    assert all(first < second for first, second in pairwise(places)), "not in order, or twice"
    assert sum(alert.level == "LIQUIDATION" for alert in told) == len(range(0, accounts, EVERY))
    assert len({alert.market_id for alert in told}) == 1


def _coding(text: str) -> dict[str, float]:
    """Return what an alert of a frame weighs, and takes to encode and to decode."""
    raw = [orjson.dumps(alert) for alert in orjson.loads(text)["alerts"]]
    decode_s, alerts = timed(lambda: [decode_alert(each) for each in raw])
    encode_s, again = timed(lambda: [encode_alert(each) for each in alerts])
    return {
        "alert_bytes": sum(map(len, again)) / len(again),
        "encode_us": 1e6 * encode_s / len(alerts),
        "decode_us": 1e6 * decode_s / len(alerts),
    }
