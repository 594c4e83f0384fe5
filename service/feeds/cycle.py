"""Keeps a synthetic market going: calm, a crash, its recovery, and calm again, in real time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from service.feeds.sinks import MarkSink, Tally
from service.feeds.synthetic import Crash, SyntheticMarket


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often marks go out, how long the calm lasts before a crash, and the crash itself."""

    tick_s: float = 0.25
    calm_s: float = 5.0
    crash: Crash = field(default_factory=Crash)


async def run_cycle(
    market: SyntheticMarket,
    sink: MarkSink,
    rhythm: Rhythm,
    on_phase: Callable[[str], None] = lambda _phase: None,
) -> None:
    """Send marks for ever; tells `on_phase` in words what goes on. Ends by being cancelled."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    calm_s = 0.0
    due_s = loop.time()
    while True:
        tally.add(await sink.send(market.step(rhythm.tick_s)))
        calm_s = 0.0 if market.crashing else calm_s + rhythm.tick_s
        if calm_s >= rhythm.calm_s:
            market.crash_now(rhythm.crash)
        on_phase(market.phase or f"calm; a crash in {rhythm.calm_s - calm_s:.0f} s")
        due_s = max(due_s + rhythm.tick_s, loop.time())
        await asyncio.sleep(due_s - loop.time())
