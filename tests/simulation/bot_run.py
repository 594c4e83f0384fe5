"""The crash with bots that listen, and one misfortune after another that cuts them off."""

import asyncio
import contextlib
import itertools
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from service.contract.cursor import decode_cursor, encode_cursor
from service.store.client import Client
from tests.cutting_proxy import CuttingProxy
from tests.simulation.bots import Given, cursor_of, given
from tests.simulation.history import SHARDS, read_log
from tests.simulation.processes import wait_until
from tests.simulation.run import Event, Run
from tests.simulation.tape import Crash

BOTS_A_PROCESS = 50
CUT_SHARE = 0.25
_WITHIN_S = 300.0


class BotRun(Run):
    """A run to which bots listen, one an account.

    `told` is each account's part of the log in the end, `given` what its bot got. Misfortunes are
    drawn in turn from `kinds`, with `calm_s` between two on the average, and not more than `most`:
    on a busy machine each makes the run longer, and a longer run would have more of them.
    """

    def __init__(
        self,
        tape: Crash,
        directory: Path,
        *,
        kinds: Sequence[str],
        calm_s: float,
        batch_marks: int,
        pace_s: float,
        seed: int,
        most: int | None = None,
    ) -> None:
        super().__init__(tape, directory, batch_marks=batch_marks, pace_s=pace_s)
        self.told: dict[str, list[str]] = {str(body["id"]): [] for body in tape.accounts}
        self.given: dict[str, Given] = {}
        self.misfortunes: Counter[str] = Counter()
        self.cut = 0
        self._kinds, self._calm_s, self._most = kinds, calm_s, most
        self._over = asyncio.Event()
        self._chance = random.Random(seed)
        self._directory = directory / "bots"
        self._directory.mkdir(parents=True)
        self._proxy = CuttingProxy()
        self._bots: list[tuple[list[str], subprocess.Popen[bytes]]] = []

    async def _feed(self, client: Client, events: Sequence[Event]) -> None:
        async with AsyncExitStack() as stack:
            listening = await stack.enter_async_context(
                await self._proxy.before(self.processes.port)
            )
            stack.push_async_callback(self._proxy.aclose)
            self._proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            stack.callback(self._end_bots)
            self._begin_bots()
            await asyncio.to_thread(
                wait_until, lambda: self._proxy.carried >= len(self.told), "all bots to connect"
            )
            disturbing = asyncio.create_task(self.disturb())
            await super()._feed(client, events)
            self._over.set()
            await disturbing
            await self._settled(client)
            for alert in await read_log(client):
                self.told[alert["accountId"]].append(alert["id"])
            await asyncio.to_thread(wait_until, self._all_have_it, "every bot", _WITHIN_S)

    async def disturb(self) -> None:
        """One misfortune after another until the feed is over; what has begun is seen through."""
        for kind in itertools.islice(itertools.cycle(self._kinds), self._most):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.expovariate(1.0 / self._calm_s)):
                    await self._over.wait()
                    return
            await self._befallen(kind)
            self.misfortunes[kind] += 1

    async def _befallen(self, kind: str) -> None:
        if kind == "socket":
            self.cut += self._proxy.cut(CUT_SHARE, self._chance)
        else:
            await asyncio.to_thread(self._hit, kind)

    def _hit(self, kind: str) -> None:
        if kind == "process":
            at = self._chance.randrange(len(self._bots))
            accounts, process = self._bots[at]
            process.kill()
            process.wait()
            self._bots[at] = (accounts, self._started(accounts))
            return
        if kind == "worker":
            self.processes.kill_children("api")
        else:
            self._befall(Event(0, "kill" if kind == "api" else "restart", "api"))
        wait_until(self.processes.ready, "the service to be ready again")

    def _begin_bots(self) -> None:
        """Each begins with an empty log: what happens before it has connected is its too."""
        assert self.always.cursor is not None
        begin = encode_cursor(decode_cursor(self.always.cursor).epoch, (0,) * SHARDS)
        for account in self.told:
            cursor_of(self._directory, account).write_text(begin)
        names = iter(self.told)
        while part := list(itertools.islice(names, BOTS_A_PROCESS)):
            self._bots.append((part, self._started(part)))

    def _started(self, accounts: list[str]) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "tests.simulation.bots"]
        with (self._directory / "said").open("ab") as said:
            return subprocess.Popen(
                [*program, self._proxy.url, str(self._directory), *accounts], stderr=said
            )

    def _end_bots(self) -> None:
        gave_up = [process for _, process in self._bots if process.poll() is not None]
        for _, process in self._bots:
            process.kill()
            process.wait()
        assert not gave_up, (self._directory / "said").read_text()[-5_000:]

    def _all_have_it(self) -> bool:
        self.given = {account: given(self._directory, account) for account in self.told}
        return all(set(self.told[each]) <= set(self.given[each].ids) for each in self.told)


def check_bots(run: BotRun) -> str:
    """Each bot was given its account's part of the log: nothing lost, doubled or out of order."""
    assert {each: run.given[each].ids for each in run.told} == run.told
    assert sum(each.doubled for each in run.given.values()) == 0
    assert sum(each.other for each in run.given.values()) == 0
    for name in ("api", *run.processes.monitors):
        assert "Traceback" not in run.processes.said(name), run.processes.said(name)[-5_000:]
    repeated = sum(each.repeated for each in run.given.values())
    return (
        f"\n{len(run.told)} bots, {sum(map(len, run.told.values()))} alerts, misfortunes"
        f" {dict(run.misfortunes)}, sockets cut {run.cut}; lost 0, doubled 0, out of order 0;"
        f" repeated after a death of the bot's own process {repeated}"
    )
