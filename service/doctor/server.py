"""Redis or Valkey itself: its version, what it keeps when it dies, its memory, disk and clock."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from service.doctor.findings import Report
from service.errors import StoreUnavailable
from service.settings import Settings
from service.store.client import Client
from service.store.commands import pairs

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
CLOCK_WARNING_S, CLOCK_ERROR_S = 1.0, 5.0
DISK_LEAST_BYTES = 64 * 2**20
DISK_TIMES = 2.0  # as much as the data has: while it is written anew, both are there
MEMORY_SHARE = 0.9

Clock = Callable[[], float]  # epoch seconds
FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return what a folder's file system has left for us."""
    return shutil.disk_usage(folder).free


async def check_server(
    report: Report,
    settings: Settings,
    client: Client,
    clock: Clock = time.time,
    free: FreeBytes = free_bytes,
) -> bool:
    """Look at every server that holds data; return whether they answer."""
    try:
        told = await client.call_everywhere("INFO")
        options = await _options(client)
        await _check_clock(report, client, clock)
    except StoreUnavailable as error:
        report.error(
            "store_away",
            f"the store does not answer: {error.detail}",
            "nothing can be written, judged or told without it",
            "start it, or name it by --redis-url or PLIMSOLL_REDIS_URL (of the service too)",
        )
        return False
    for text in told.values():
        info = _info_of(text)
        name, version = _name_and_version(info)
        report.looked_at.append(f"{name} {version}")
        _check_version(report, name, version)
        _check_durability(report, settings, info, options)
        _check_memory(report, info, options)
    if settings.redis_url is None:
        _check_disk(report, Path(settings.data_dir), free)
    return True


async def _options(client: Client) -> dict[str, str]:
    """Return what the server says of its options; nothing where it does not tell."""
    try:
        flat = await client.call("CONFIG", "GET", "append*")
        flat += await client.call("CONFIG", "GET", "maxmemory*")
    except StoreUnavailable:
        return {}
    return {name.decode(): value.decode() for name, value in pairs(flat)}


def _info_of(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def _name_and_version(info: Mapping[str, str]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "valkey", info["valkey_version"]
    return "redis", info.get("redis_version", "0")


def _check_version(report: Report, name: str, version: str) -> None:
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST[name]:
        wanted = ".".join(map(str, OLDEST[name]))
        report.error(
            "old_server",
            f"{name} {version} is older than {wanted}",
            "our scripts go by what later ones do: writes may fail half way",
            f"run Valkey 8 or later (at least {name} {wanted}); an append-only file is taken over",
        )


def _check_durability(
    report: Report, settings: Settings, info: Mapping[str, str], options: Mapping[str, str]
) -> None:
    if info.get("aof_enabled", "1") == "0":
        report.error(
            "not_append_only",
            "the store runs without its append-only file",
            "when it dies, accounts, levels and the alert log are gone since its last dump",
            "`CONFIG SET appendonly yes`, and `appendonly yes` in its configuration",
        )
        return
    fsync = options.get("appendfsync", settings.appendfsync)
    if fsync not in ("always", settings.appendfsync):
        report.warn(
            "not_always_synced",
            f"the store syncs its file `{fsync}`, not at every write",
            "when its machine dies, the last seconds that it acknowledged are gone: a new epoch",
            "`CONFIG SET appendfsync always`, or PLIMSOLL_APPENDFSYNC to say that it is meant",
        )
    if "err" in (info.get("aof_last_write_status"), info.get("aof_last_bgrewrite_status")):
        report.error(
            "file_not_written",
            "the store could not write its append-only file",
            "it refuses every write until it can",
            "see its log; most often its disk is full, or its folder cannot be written",
        )


def _check_memory(report: Report, info: Mapping[str, str], options: Mapping[str, str]) -> None:
    most = int(info.get("maxmemory", "0"))
    policy = info.get("maxmemory_policy", options.get("maxmemory-policy", "noeviction"))
    if policy != "noeviction":
        report.error(
            "evicting",
            f"the store lets keys go when its memory is full (maxmemory-policy {policy})",
            "accounts, levels or whole logs would vanish without a word",
            "`CONFIG SET maxmemory-policy noeviction`, and the same in its configuration",
        )
    if most and int(info.get("used_memory", "0")) > MEMORY_SHARE * most:
        report.warn(
            "little_memory",
            f"the store uses more than {MEMORY_SHARE:.0%} of its maxmemory",
            "when it is full it refuses every write",
            "raise maxmemory, or lower PLIMSOLL_LOG_RETENTION_S and PLIMSOLL_MARKET_MAX_ENTRIES",
        )


async def _check_clock(report: Report, client: Client, clock: Clock) -> None:
    """Hold the store's clock against ours: it is event time that alerts go by."""
    asked_s = clock()
    answers = await client.call_everywhere("TIME")
    answered_s = clock()
    for seconds, micros in answers.values():
        theirs = int(seconds) + int(micros) / 1e6
        ahead_s = ahead_of(theirs, theirs, asked_s, answered_s)
        say_clock(report, "the store's clock", ahead_s, CLOCK_WARNING_S)
    report.looked_at.append("clock")


def ahead_of(first_s: float, last_s: float, asked_s: float, answered_s: float) -> float:
    """Return by how much a clock is surely ahead of ours, below 0 behind.

    It showed something from `first_s` to `last_s` at a moment between our two times.
    """
    return max(0.0, first_s - answered_s) + min(0.0, last_s - asked_s)


def say_clock(report: Report, whose: str, ahead_s: float, warning_s: float) -> None:
    """Say that a clock is off ours by more than it should be."""
    if abs(ahead_s) <= warning_s:
        return
    which = "ahead of" if ahead_s > 0.0 else "behind"
    say = report.error if abs(ahead_s) > CLOCK_ERROR_S else report.warn
    say(
        "clock_off",
        f"{whose} is {abs(ahead_s):.1f} s {which} this machine's",
        "marks look stale or from the future, falls wait too long or too short, times are wrong",
        "let NTP keep both machines' clocks: `timedatectl set-ntp true`, then `timedatectl status`",
    )


def _check_disk(report: Report, data_dir: Path, free: FreeBytes) -> None:
    if not data_dir.is_dir():
        return
    left, used = free(data_dir), _size_of(data_dir)
    needed = max(DISK_LEAST_BYTES, int(DISK_TIMES * used))
    report.looked_at.append(f"disk ({left // 2**20} MiB left)")
    if left < needed:
        report.error(
            "disk_full",
            f"{data_dir} has {left // 2**20} MiB left, the data in it {used // 2**20} MiB",
            "the file of the store is written anew beside the old one; without room for both the "
            "store refuses every write",
            f"make room for {needed // 2**20} MiB, or move --data-dir to a larger disk",
        )


def _size_of(folder: Path) -> int:
    sizes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file():
                sizes += path.stat().st_size
    return sizes
