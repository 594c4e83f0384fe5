"""`plimsoll serve --role monitor`: the process that watches accounts, put together.

It imports nothing of the API: half a second of processor at every start, and 30 MB, for nothing.
"""

import asyncio
import logging
import os
import signal
import socket

import uvloop

from service.access.log_level import LogLevelBoard
from service.errors import StoreUnavailable
from service.memory import calm_collector, collect_seldom
from service.monitor import judges
from service.monitor.engine import Engine
from service.monitor.service import Monitor, Ports, Retention
from service.monitor.shards import Shards
from service.running import RESTART_S, kept, tell_ready
from service.settings import Settings
from service.store.health import Roll
from service.store.log_level import LogLevels
from service.wiring import Store, store_of, tracer_of

_log = logging.getLogger("plimsoll.monitor")


def run_monitor(settings: Settings) -> None:
    """Watch our share of the accounts until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        judges.warm_up()
        collect_seldom()
        runner.run(_monitor(settings))


async def _monitor(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    name = f"{socket.gethostname()}-{os.getpid()}"
    store, tracer = store_of(settings), tracer_of(settings, "monitor")
    levels = LogLevelBoard(LogLevels(store.client), settings.log_level)
    async with store.client as client, store.blocking, kept(levels=levels.run):
        if await _settled(store, stop) is None:
            return

        async def fresh() -> Shards:
            engine = Engine(await store.settle(), settings.pegged_assets)
            room = (store.market, store.accounts, store.log)
            return Shards(engine, *room, settings.shards, tracer=tracer)

        roll = Roll(client, name)
        ports = Ports(store.market, store.accounts, store.log, store.questions, roll, store.funds)
        retention = Retention(
            int(settings.log_retention_s * 1_000.0),
            settings.log_max_alerts,
            settings.market_max_entries,
        )
        await Monitor(ports, fresh, settings.shards, retention, _at_work).run(stop)


def _at_work() -> None:
    """Do what is done once, when the first shards are served."""
    calm_collector()
    tell_ready()


async def _settled(store: Store, stop: asyncio.Event) -> str | None:
    """Return the log's epoch once the store answers; None when we are to stop before."""
    while not stop.is_set():
        try:
            return await store.settle()
        except StoreUnavailable as error:
            _log.warning("waiting for the store: %s", error)
            await asyncio.sleep(RESTART_S)
    return None
