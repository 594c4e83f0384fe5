"""Backups of the store: made while the service runs, checked by being loaded, restored elsewhere.

A backup is a directory with two files: `store.rdb`, all the server held at one moment, and
`manifest.json`, which says what that is. Either directory, of a backup or of restored data, is put
together under another name beside its place and renamed at the end: killed at any step, it is there
as a whole or not at all, and what stays behind is a hidden directory that nothing reads.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from service.errors import WrongBackup
from service.store import keys
from service.store.client import connect
from service.store.formats import FORMAT, refuse_other
from service.store.inventory import Inventory, take_inventory
from service.store.snapshot import fetch_snapshot
from service.supervisor.brief_valkey import brief_valkey

SNAPSHOT, MANIFEST = "store.rdb", "manifest.json"
MANIFEST_VERSION = 1
_LOADED = "loaded"  # where a backup is loaded to be checked
_APPEND_ONLY = "appendonlydir"
_BASE = "appendonly.aof.1.base.rdb"
_READ_BYTES = 2**20


class Manifest(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What a backup is."""

    manifest: int  # its own version
    release: str
    made_at: int  # epoch ms
    size_bytes: int
    sha256: str
    holds: Inventory


async def back_up(url: str, target: Path, release: str) -> Manifest:
    """Put a backup of the server at `url`, as it is now, into the new directory `target`.

    The backup is loaded into a server of its own before it gets its name, which takes the memory
    that the store takes. Raises WrongBackup when `target` is not empty, or the data is a cluster's
    or no service's; StoreUnavailable when the server does not send it.
    """
    _refuse_taken(target)
    async with connect(url) as client:
        if set(await client.call_everywhere("PING")) != {""}:
            raise WrongBackup("the nodes of a cluster have no moment in common: no backup of one")
    made_at = time.time_ns() // 1_000_000
    with _told(target), _put_together(target) as partial:
        snapshot = await fetch_snapshot(url, partial / SNAPSHOT)
        holds = await _loaded(snapshot.path, partial / _LOADED)
        shutil.rmtree(partial / _LOADED)
        if not holds.shards:
            raise WrongBackup(f"there is no data of a service at {url}")
        size, digest = snapshot.size_bytes, snapshot.sha256
        manifest = Manifest(MANIFEST_VERSION, release, made_at, size, digest, holds)
        _write(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def read_manifest(backup: Path) -> Manifest:
    """Return what the backup is; WrongBackup when it is none, or of a later release."""
    try:
        text = (backup / MANIFEST).read_bytes()
        if msgspec.json.decode(text, type=dict[str, Any]).get("manifest") != MANIFEST_VERSION:
            raise WrongBackup(f"{backup} is a backup of another form: use the release it is of")
        return msgspec.json.decode(text, type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise WrongBackup(f"{backup} is no backup: {error}") from error


async def restore(backup: Path, data_dir: Path) -> Manifest:
    """Make the data directory `data_dir` of a backup; the service starts over it as over any.

    Its log has no epoch: the first start gives it a new one, so that clients learn that what they
    were told since the backup may be missing. Raises WrongBackup when the backup is not whole, or
    when `data_dir` holds anything, such as a running service's data.
    """
    manifest = read_manifest(backup)
    if manifest.holds.format is not None and manifest.holds.format > FORMAT:
        refuse_other(manifest.holds.format)
    _refuse_taken(data_dir)
    with _told(data_dir), _put_together(data_dir) as partial:
        digest = _laid_out(backup / SNAPSHOT, partial)
        if digest != manifest.sha256:
            raise WrongBackup(f"{backup / SNAPSHOT} is not what was backed up: its digest differs")
        async with brief_valkey(partial) as url, connect(url) as client:
            holds = await take_inventory(client)
            if holds != manifest.holds:
                raise WrongBackup(f"{backup} holds {holds}, not what its manifest says")
            await client.call("DEL", keys.EPOCH)
    return manifest


def _refuse_taken(place: Path) -> None:
    """Raise WrongBackup when there is anything at a place but an empty directory."""
    if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
        raise WrongBackup(f"{place} is not empty: name a new directory")


async def _loaded(snapshot: Path, data_dir: Path) -> Inventory:
    """Return what a server finds in the snapshot."""
    _laid_out(snapshot, data_dir)
    async with brief_valkey(data_dir) as url, connect(url) as client:
        return await take_inventory(client)


def _laid_out(snapshot: Path, data_dir: Path) -> str:
    """Lay out a data directory that begins with the snapshot; return the digest of what is there.

    To the server it is an append-only file that has just been rewritten.
    """
    folder = data_dir / _APPEND_ONLY
    folder.mkdir(parents=True)
    digest = hashlib.sha256()
    with snapshot.open("rb") as source, (folder / _BASE).open("xb") as copy:
        while part := source.read(_READ_BYTES):
            digest.update(part)
            copy.write(part)
        copy.flush()
        os.fsync(copy.fileno())
    _write(folder / "appendonly.aof.manifest", f"file {_BASE} seq 1 type b\n".encode())
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _put_together(target: Path) -> Iterator[Path]:
    """Yield an empty directory that becomes `target` at the end, unless there is an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(
        tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    )
    try:
        yield partial
        _sync(partial)
        # Onto an empty directory at most: the system refuses where somebody was faster.
        partial.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """Say what the disk refuses in a line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise WrongBackup(f"{target} is not empty any more") from error
        raise WrongBackup(f"{target} cannot be written: {error}") from error
