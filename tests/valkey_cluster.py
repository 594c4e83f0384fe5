"""A cluster of three masters on this machine, to use wherever a test takes a `ValkeyServer`.

`python -m tests.valkey_cluster NEW-DIRECTORY` runs one to try things out on, until Ctrl-C.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TypeAlias

from tests.launching import free_port
from tests.valkey_server import ValkeyServer

SLOTS = 16_384
MASTERS = 3
NODE_TIMEOUT_MS = 3_000  # after so long the others count one as failed


class ValkeyCluster:
    """Three masters, each over a directory of its own; there is no copy of what one holds."""

    def __init__(self, data_dir: Path, *, appendfsync: str = "always") -> None:
        self.nodes = [
            _node(data_dir / f"node-{number}", appendfsync) for number in range(1, MASTERS + 1)
        ]

    @property
    def url(self) -> str:
        return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self, timeout_s: float = 30.0) -> None:
        """Start what does not run, make them one cluster, return when it serves every slot."""
        for node in self.nodes:
            if not node.running:
                node.start(timeout_s)
        if "cluster_slots_assigned:0" in self.nodes[0].ask("CLUSTER INFO"):
            self._form()
        deadline = time.monotonic() + timeout_s
        while not all(_serves(node) for node in self.nodes):
            assert time.monotonic() < deadline, self.nodes[0].ask("CLUSTER NODES")
            time.sleep(0.01)

    def _form(self) -> None:
        first, *others = self.nodes
        for number, node in enumerate(self.nodes):
            start, end = (SLOTS * edge // MASTERS for edge in (number, number + 1))
            _done(node, f"CLUSTER ADDSLOTSRANGE {start} {end - 1}")
            _done(node, f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
        for node in others:
            bus = node.extra[node.extra.index("--cluster-port") + 1]
            _done(first, f"CLUSTER MEET 127.0.0.1 {node.port} {bus}")

    def node_of(self, slot: int) -> ValkeyServer:
        """Return the node that a slot was given to."""
        return next(
            node for number, node in enumerate(self.nodes) if slot < SLOTS * (number + 1) // MASTERS
        )

    def kill(self) -> None:
        """End all of them as a crash would."""
        for node in self.nodes:
            node.kill()

    def stop(self) -> None:
        """End all of them cleanly."""
        for node in self.nodes:
            node.stop()

    def flush(self) -> None:
        """Empty it."""
        for node in self.nodes:
            node.flush()


AnyServer: TypeAlias = ValkeyServer | ValkeyCluster


def server_to_test(data_dir: Path, *, appendfsync: str = "always") -> AnyServer:
    """Return what tests run on: one server, or with PLIMSOLL_TEST_STORE=cluster a cluster."""
    kind = os.environ.get("PLIMSOLL_TEST_STORE", "plain")
    assert kind in ("plain", "cluster")
    if kind == "plain":
        return ValkeyServer(data_dir, appendfsync=appendfsync)
    return ValkeyCluster(data_dir, appendfsync=appendfsync)


def _node(directory: Path, appendfsync: str) -> ValkeyServer:
    options = {
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),
        "cluster-node-timeout": str(NODE_TIMEOUT_MS),
        "cluster-require-full-coverage": "no",
    }
    extra = [part for name, value in options.items() for part in (f"--{name}", value)]
    return ValkeyServer(directory, port=free_port(), appendfsync=appendfsync, extra=extra)


def _done(node: ValkeyServer, command: str) -> None:
    answer = node.ask(command)
    assert answer == "+OK\r\n", f"{command}: {answer}"


def _serves(node: ValkeyServer) -> bool:
    info = node.ask("CLUSTER INFO")
    wanted = ("state:ok", f"slots_assigned:{SLOTS}", f"known_nodes:{MASTERS}", "slots_pfail:0")
    return all(f"cluster_{each}\r\n" in info for each in wanted)


def main() -> None:
    """Run a cluster and print its address."""
    cluster = ValkeyCluster(Path(sys.argv[1]))
    cluster.start()
    print(f"PLIMSOLL_REDIS_URL={cluster.url}", flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    cluster.stop()


if __name__ == "__main__":
    main()
