"""The API workers behind one port tell each other their figures, so that a scrape shows them all.

A scrape reaches one of them, whichever the kernel chooses. Each listens on a socket in a folder
that only their user can enter, and writes its figures to who connects; the worker that is scraped
asks the others and shows each one's series with a label `worker`. They are not added up: a worker
that is started again counts from nothing, which Prometheus understands of one series; a sum that
falls it would take for all of them having begun again.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

ASK_S = 0.5  # one that hangs is left out: who scrapes does not wait for it
_STATES = "Workers behind this port, and whether they told their figures."
_log = logging.getLogger("plimsoll.api")


class Family(msgspec.Struct, array_like=True):
    """A metric of one worker: its samples are (name, labels, value)."""

    name: str
    text: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


Figures: TypeAlias = Sequence[Family]
_decoder = msgspec.msgpack.Decoder(list[Family])


def figures_of(own: Collector) -> list[Family]:
    """Return what a worker shows of itself, as it is now."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, sample.labels, sample.value) for sample in metric.samples],
        )
        for metric in own.collect()
    ]


class Fellows:
    """The workers whose sockets are in a folder, as one of them sees it: `<name>.<process id>`.

    A name is a place behind the port. While a worker is replaced there are two processes of one
    name; the newest that answers counts.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._folder = folder
        self._socket = folder / f"{name}.{os.getpid()}"

    async def tell(self, figures: Callable[[], Figures]) -> None:
        """Write `figures` to every fellow that asks, until cancelled."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):  # it did not wait for us
                writer.write(msgspec.msgpack.encode(figures()))
                await writer.drain()
                writer.close()
                await writer.wait_closed()

        async with (
            self._listening() as listening,
            await asyncio.start_unix_server(answer, sock=listening) as server,
        ):
            await server.serve_forever()

    async def ask(self) -> dict[str, Figures | None]:
        """Return the figures of the others by name; None of those that do not answer."""
        sockets = [one for one in self._sockets() if _name_of(one) != self.name]
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(_figures_at(one), name=f"ask {one.name}") for one in sockets]
        told: dict[str, Figures | None] = {}
        for one, task in zip(sockets, asked, strict=True):
            name = _name_of(one)
            told[name] = told.get(name) or task.result()
        return told

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[socket.socket]:
        for left in self._sockets():
            if _name_of(left) == self.name and left != self._socket and not await _is_heard(left):
                left.unlink(missing_ok=True)  # of one that was killed: we are in its place
        with socket.socket(socket.AF_UNIX) as listening:
            self._socket.unlink(missing_ok=True)
            listening.bind(str(self._socket))
            listening.listen()
            try:
                yield listening
            finally:
                self._socket.unlink(missing_ok=True)

    def _sockets(self) -> list[Path]:
        """Return what is in the folder, the newest first."""
        began = {}
        for one in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                began[one] = one.stat().st_mtime_ns
        return sorted(began, key=lambda one: began[one], reverse=True)


def _name_of(one: Path) -> str:
    return one.name.rpartition(".")[0]


async def _is_heard(one: Path) -> bool:
    """Whether a process listens on a socket; one that was killed has left it behind."""
    try:
        _, writer = await asyncio.open_unix_connection(one)
    except OSError:
        return False
    writer.close()
    return True


async def _figures_at(one: Path) -> Figures | None:
    """Return what the worker at a socket says; None where it does not, or as we do not read it."""
    try:
        async with asyncio.timeout(ASK_S):
            reader, writer = await asyncio.open_unix_connection(one)
            try:
                return _decoder.decode(await reader.read())
            finally:
                writer.close()
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        _log.debug("no figures of %s: %r", one.name, error)
        return None


class Together(Collector):
    """Shows what is shared once, and each worker's own figures by `worker`, if there are more."""

    def __init__(
        self,
        name: str | None,
        own: Collector,
        shared: Collector,
        told: Mapping[str, Figures | None],
    ) -> None:
        self._name, self._own, self._shared, self._told = name, own, shared, told

    def collect(self) -> Iterator[Metric]:
        silent = sum(figures is None for figures in self._told.values())
        states = GaugeMetricFamily("plimsoll_workers", _STATES, labels=("state",))
        states.add_metric(("told",), 1 + len(self._told) - silent)
        states.add_metric(("silent",), silent)
        yield states
        yield from self._shared.collect()
        if self._name is None:
            yield from self._own.collect()
        else:
            yield from _by_worker({self._name: figures_of(self._own), **self._told})


def _by_worker(told: Mapping[str, Figures | None]) -> Iterator[Metric]:
    """Yield each metric once, with the series of all workers."""
    metrics: dict[str, Metric] = {}
    for worker, figures in sorted(told.items()):
        for family in figures or ():
            metric = metrics.setdefault(family.name, Metric(family.name, family.text, family.kind))
            for name, labels, value in family.samples:
                metric.add_sample(name, labels | {"worker": worker}, value)
    yield from metrics.values()
