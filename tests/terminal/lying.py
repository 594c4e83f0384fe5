"""A proxy before a server whose answers say other versions than it has, and nothing else."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path


def _carry(source: socket.socket, sink: socket.socket, words: Mapping[bytes, bytes]) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(2**20):
            for told, instead in words.items():
                part = part.replace(told, instead)
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


def _start(source: socket.socket, sink: socket.socket, words: Mapping[bytes, bytes]) -> None:
    threading.Thread(target=_carry, args=(source, sink, words), daemon=True).start()


@contextlib.contextmanager
def lying(server: Path, words: Mapping[bytes, bytes]) -> Iterator[str]:
    """Yield the URL of a server that says `words` instead (of the same length) in its answers."""
    assert all(len(told) == len(instead) for told, instead in words.items())
    ended, opened = threading.Event(), list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    client, _ = listening.accept()
                    behind = socket.socket(socket.AF_UNIX)
                    behind.connect(str(server))
                    opened.extend((client, behind))
                    for one, other, said in ((client, behind, {}), (behind, client, words)):
                        _start(one, other, said)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            for one in opened:
                one.close()
