"""A Redis cluster behind the calls of one server: each command goes to the node that has its key.

redis-py's own cluster client sends a write again when its answer was lost, so this router is ours;
it stands on redis-py's connections and its slot function. What it sends again is only what a node
said it did not do: MOVED, ASK, TRYAGAIN. A lost connection or a cluster that is down is an error
like any other, and whoever may send again does so knowingly.

The map of slots is read anew after a MOVED (from the node it names, who knows best) and after any
node could not be reached. Until then the rest of the cluster goes on being served.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import (
    AskError,
    ConnectionError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from service.store.commands import Command, Message, Part, key_of, plain
from service.store.server import Server

HOPS_MAX = 6  # times a command is sent on before it is given up
HOP_PAUSE_S = 0.02  # grows by each: a slot that is just moving is nowhere for a moment
MAP_WITHIN_S = 1.0  # a node that is asked for the map and says nothing is passed over
_MOVING = (AskError, TryAgainError)  # MovedError is an AskError


class Cluster:
    """The nodes of one cluster, found from any `seeds`; same calls as `Server`."""

    def __init__(self, seeds: Sequence[Server], open_server: Callable[[str], Server]) -> None:
        self._open = open_server
        self._seeds = list(seeds)
        self._servers = {server.url: server for server in seeds}
        self._owners: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._nodes: dict[Server, str] = {}  # those that have slots, with their ids
        self._away: set[Server] = set()  # did not answer the last time they were asked
        self._stale = True
        self._refreshing = asyncio.Lock()
        self._knows_best: Server | None = None

    async def send(self, *command: Part) -> Any:
        """Send one command to the node that has its key and return the answer."""
        (answer,) = await self.send_all([command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def send_all(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """Send commands, those of a node in one go and in order; answers in order.

        The error of a command stands where its answer would, a node's that is away too. `atomic`
        commands must be of one slot.
        """
        answers: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        for hop in range(1, HOPS_MAX + 1):
            await self._send_round(commands, left, answers, atomic)
            if not atomic:
                await self._ask_next_owners(commands, left, answers)
            left = [index for index in left if isinstance(answers[index], _MOVING)]
            if not left:
                break
            self._note_moves([answers[index] for index in left])
            await asyncio.sleep(hop * HOP_PAUSE_S if hop > 1 else 0.0)
        return answers

    async def send_everywhere(self, *command: Part) -> dict[str, Any]:
        """Return by node id the answer of every node with slots; one away fails the call."""
        await self._refresh()
        nodes = {node: self._nodes[node] for node in self._masters()}
        answers = await _all_of([self._ask(node, [command], False) for node in nodes])
        for (answer,) in answers:
            if isinstance(answer, Exception):
                raise answer
        return {node_id: answer for node_id, (answer,) in zip(nodes.values(), answers, strict=True)}

    async def listen(self, *channels: str) -> AsyncGenerator[Message | None, None]:
        """Yield None once subscribed, then each message, whichever node it was published at.

        When the node we listen to goes, another one takes over with a None of its own; messages
        in between are lost, as they are to whoever listens to a server that restarts.
        """
        await self._refresh()
        failure: Exception | None = None
        for node in self._shuffled(self._masters()):
            try:
                async with aclosing(node.listen(*channels)) as messages:
                    async for message in messages:
                        yield message
            except (RedisError, OSError) as error:
                self._note_away(node)
                failure = error
        raise ConnectionError("no node of the cluster lets us listen") from failure

    async def aclose(self) -> None:
        """Close every connection."""
        for server in self._servers.values():
            await server.aclose()

    async def _send_round(
        self, commands: Sequence[Command], left: list[int], answers: list[Any], atomic: bool
    ) -> None:
        """Send what is left to those who have it now; leave what they say in `answers`."""
        await self._refresh()
        by_node: dict[Server, list[int]] = defaultdict(list)
        for index in left:
            by_node[self._owner_of(commands[index])].append(index)
        assert not atomic or len(by_node) <= 1
        asked = [
            self._ask(node, [commands[index] for index in of], atomic)
            for node, of in by_node.items()
        ]
        for of, of_node in zip(by_node.values(), await _all_of(asked), strict=True):
            for index, answer in zip(of, of_node, strict=True):
                answers[index] = answer

    async def _ask(self, node: Server, commands: Sequence[Command], atomic: bool) -> list[Any]:
        try:
            answers = await node.send_all(commands, atomic=atomic)
        except ResponseError as error:  # a refusal comes from a node that is there
            answers = [error] * len(commands)
        except (RedisError, OSError) as error:
            self._note_away(node)
            return [error] * len(commands)
        except asyncio.CancelledError:  # maybe because its time was up
            self._note_away(node)
            raise
        self._away.discard(node)
        return answers

    def _note_away(self, node: Server) -> None:
        """Another one may have its slots by now; and it is not the one to ask."""
        self._stale = True
        self._away.add(node)

    async def _ask_next_owners(
        self, commands: Sequence[Command], left: Sequence[int], answers: list[Any]
    ) -> None:
        """Send what is already at the node its slot is moving to there, this once."""
        for index in left:
            refusal = answers[index]
            if isinstance(refusal, AskError) and not isinstance(refusal, MovedError):
                node = self._server_at(refusal.host, refusal.port)
                _, answers[index] = await self._ask(
                    node, [("ASKING",), *plain([commands[index]])], False
                )

    def _note_moves(self, refusals: Sequence[Exception]) -> None:
        for refusal in refusals:
            if isinstance(refusal, MovedError):
                self._stale = True
                if refusal.host:
                    self._knows_best = self._server_at(refusal.host, refusal.port)

    def _owner_of(self, command: Command) -> Server:
        key = key_of(command)
        if key is None:
            return self._shuffled(self._masters())[0]
        slot = key_slot(key if isinstance(key, bytes) else str(key).encode())
        owner = self._owners[slot]
        if owner is None:
            self._stale = True
            raise ConnectionError(f"no node of the cluster has slot {slot}")
        return owner

    def _masters(self) -> list[Server]:
        if not self._nodes:
            self._stale = True
            raise ConnectionError("no node of the cluster has any slots")
        return list(self._nodes)

    async def _refresh(self) -> None:
        """Read the map of slots again when something said that it has changed."""
        if not self._stale:
            return
        async with self._refreshing:
            if not self._stale:  # another task has, while we waited
                return
            failure: Exception | None = None
            for server in self._tellers():
                try:
                    async with asyncio.timeout(MAP_WITHIN_S):
                        rows = await server.send("CLUSTER", "SLOTS")
                except (RedisError, OSError) as error:  # a TimeoutError is an OSError
                    failure = error
                    self._away.add(server)
                else:
                    self._take(rows, server)
                    return
            raise ConnectionError("no node of the cluster answers") from failure

    def _tellers(self) -> list[Server]:
        """Return whom to ask for the map: who was named last, then those who have slots."""
        first = [] if self._knows_best is None else [self._knows_best]
        self._knows_best = None
        return list(dict.fromkeys((*first, *self._shuffled([*self._nodes, *self._seeds]))))

    def _shuffled(self, nodes: Sequence[Server]) -> list[Server]:
        """Return the nodes in any order, those that did not answer last."""
        return sorted(random.sample(nodes, len(nodes)), key=self._away.__contains__)

    def _take(self, rows: Sequence[Any], teller: Server) -> None:
        owners: list[Server | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        nodes: dict[Server, str] = {}
        for first, last, (host, port, node_id, *_), *_replicas in rows:
            # A node that has not met any other does not know its own address.
            owner = self._server_at(host.decode(), port) if host else teller
            owners[first : last + 1] = [owner] * (last + 1 - first)
            nodes[owner] = node_id.decode()
        self._owners, self._nodes, self._stale = owners, nodes, False

    def _server_at(self, host: str, port: int) -> Server:
        url = url_at(self._seeds[0].url, host, port)
        if url not in self._servers:
            self._servers[url] = self._open(url)
        return self._servers[url]


async def _all_of(calls: Sequence[Coroutine[Any, Any, list[Any]]]) -> list[list[Any]]:
    """Return what the calls return; they run at the same time."""
    if len(calls) == 1:
        return [await calls[0]]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(call) for call in calls]
    return [task.result() for task in running]


def seeds_of(url: str) -> list[str]:
    """Return the addresses in a URL, one by one: redis://user:password@a:7000,b:7000,c:7000/0."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return [url]
    user, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=f"{user}{at}{host}").geturl() for host in hosts.split(",")]


def url_at(url: str, host: str, port: int) -> str:
    """Return a URL for another node that is spoken to as the one at `url` is."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if parts.scheme == "unix":
        return f"redis://{user}{at}{address}"
    return parts._replace(netloc=f"{user}{at}{address}").geturl()


async def open_servers(
    seeds: Sequence[Server], open_server: Callable[[str], Server]
) -> Server | Cluster:
    """Find out whether the server is one of a cluster: the others do not know CLUSTER SLOTS."""
    failure: Exception | None = None
    several = len(seeds) > 1
    for seed in seeds:
        try:
            async with asyncio.timeout(MAP_WITHIN_S if several else None):
                await seed.send("CLUSTER", "SLOTS")
        except ResponseError as error:
            if several:
                raise ConnectionError("several addresses, but they are no cluster") from error
            return seed
        except (RedisError, OSError) as error:
            failure = error
        else:
            return Cluster(seeds, open_server)
    assert failure is not None
    raise failure
