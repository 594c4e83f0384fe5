"""Planted faults: each is named by the doctor, with what mends it; each is mended again."""

import asyncio
import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import httpx

from service.demo.listener import Service
from service.doctor.examine import examine
from service.store import keys
from service.store.client import connect
from service.store.health import Roll
from tests.api.workers import instrument
from tests.e2e.running_service import until
from tests.terminal.lying import lying
from tests.terminal.patient import TOKEN, Patient, only


def nothing_is_said_of_a_healthy_service(patient: Patient) -> None:
    patient.fresh_marks()
    report = patient.examined()
    assert report.findings == []
    looked_at = " ".join(report.looked_at)
    for part in ("settings", "valkey", "clock", "disk", "4 shards", "1 marks", "1 instruments"):
        assert part in looked_at


def a_store_that_is_not_append_only_is_named(patient: Patient) -> None:
    patient.told("CONFIG", "SET", "appendonly", "no")
    try:
        patient.fresh_marks()
        assert "CONFIG SET appendonly yes" in only(patient.examined(), "not_append_only").mend
    finally:
        patient.told("CONFIG", "SET", "appendonly", "yes")


def a_store_that_lets_keys_go_and_one_that_syncs_seldom_are_named(patient: Patient) -> None:
    patient.told("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    patient.told("CONFIG", "SET", "appendfsync", "everysec")
    try:
        patient.fresh_marks()
        codes = {one.code: one.severity for one in patient.examined().findings}
        assert codes == {"evicting": "error", "not_always_synced": "warning"}
    finally:
        patient.told("CONFIG", "SET", "maxmemory-policy", "noeviction")
        patient.told("CONFIG", "SET", "appendfsync", "always")


def a_clock_that_is_off_is_named(patient: Patient) -> None:
    for off_s, severity in ((0.9, None), (-3.0, "warning"), (5.0, "warning"), (-60.0, "error")):
        patient.fresh_marks()
        found = patient.examined(clock=lambda off_s=off_s: time.time() + off_s).findings
        codes = {one.code for one in found}
        assert codes == ({"clock_off"} if severity else set()), (off_s, found)
        assert {one.severity for one in found if "store" in one.what} == ({severity} - {None})


def the_clock_of_a_service_elsewhere_is_looked_at(patient: Patient) -> None:
    """A service that answers an hour late: its Date says so."""
    patient.fresh_marks()
    late = formatdate(time.time() - 3_600, usegmt=True)
    with standing_in(patient.service.url, late) as url:
        found = only(patient.examined(url=url), "clock_off")
    off_s = float(found.what.partition(" is ")[2].partition(" s ")[0])
    assert 3_590.0 < off_s <= 3_600.0
    assert "behind" in found.what


@contextlib.contextmanager
def standing_in(url: str, date: str) -> Iterator[str]:
    """A server that answers as another one does, at another time."""

    class StandIn(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(url + self.path, headers={"Authorization": f"Bearer {TOKEN}"})
            self.send_response_only(answer.status_code)
            self.send_header("Date", date)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def stale_marks_are_named(patient: Patient) -> None:
    patient.fresh_marks()
    until(lambda: patient.told("HLEN", keys.QUALITIES))
    assert "generic BTC/USDT:USDT" in only(patient.examined(), "stale_marks").what


def a_feed_that_has_fallen_silent_is_named(patient: Patient) -> None:
    async def report() -> None:
        async with connect(f"unix://{patient.store}") as client:
            names = {"binance": {"lines": 2, "linesOpen": 2, "quietS": 42.0}}
            await Roll(client, "feeds-1", keys.FEEDS).report(json.dumps(names).encode())

    patient.fresh_marks()
    asyncio.run(report())
    assert "binance: no mark for 42 s" in only(patient.examined(), "feed").what
    patient.told("DEL", keys.FEEDS)


def a_shard_without_owner_is_named(patient: Patient) -> None:
    (monitor,) = patient.service.children("--role monitor")
    os.kill(monitor, signal.SIGSTOP)
    try:
        until(lambda: not patient.told("EXISTS", "{s00}:lease"))
        patient.fresh_marks()
        found = patient.examined(clock=time.time)
        assert "4 of 4 shards" in found.findings[0].what
        assert {one.code for one in found.findings} <= {"shard_without_owner", "stale_marks"}
        assert found.findings[0].code == "shard_without_owner"
    finally:
        os.kill(monitor, signal.SIGCONT)
    until(lambda: patient.service.answers("/readyz"))


def a_full_disk_is_named(patient: Patient) -> None:
    """A disk of its own, as full as can be, where one may be mounted (root may)."""
    disk = patient.data_dir.parent / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        return
    try:
        (disk / "appendonlydir").mkdir()
        (disk / "appendonlydir" / "base.rdb").write_bytes(bytes(3 * 2**20))
        patient.fresh_marks()
        settings = patient.settings(data_dir=str(disk))
        service = Service(patient.service.url, TOKEN)
        report = asyncio.run(examine(settings, f"unix://{patient.store}", service))
        assert "has 1 MiB left, the data in it 3 MiB" in only(report, "disk_full").what
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def room_for_the_data_to_be_written_anew_is_enough(patient: Patient) -> None:
    for left, full in ((64 * 2**20, False), (64 * 2**20 - 1, True)):
        patient.fresh_marks()
        report = patient.examined(free=lambda _, left=left: left)
        assert [one.code for one in report.findings] == (["disk_full"] if full else [])


def a_wrong_key_is_named(patient: Patient) -> None:
    patient.fresh_marks()
    found = only(patient.examined(token="plk_0123456789ab_" + "0" * 64), "wrong_key")
    assert "plimsoll keys" in found.mend
    assert "no token was given" in only(patient.examined(token=""), "wrong_key").what


def a_gap_in_the_tiers_is_named(patient: Patient) -> None:
    """Written past the service, which would have refused it."""
    tiers = [
        {"minNotional": 0, "maxNotional": 50_000, "maintenanceMarginRate": 0.004},
        {"minNotional": 60_000, "maintenanceMarginRate": 0.005},
    ]
    doc = json.dumps(instrument("SOL/USDT:USDT", tiers=tiers))
    patient.told("HSET", keys.INSTRUMENTS, "generic|SOL/USDT:USDT", doc)
    try:
        patient.fresh_marks()
        found = only(patient.examined(), "tier_gap")
        assert "SOL/USDT:USDT" in found.what
        assert "must start where the one before ends" in found.what
    finally:
        patient.told("HDEL", keys.INSTRUMENTS, "generic|SOL/USDT:USDT")


def an_old_server_is_named(patient: Patient) -> None:
    version = patient.told("INFO", "server").partition(b"valkey_version:")[2][:1]
    words = {b"valkey_version:" + version: b"valkey_version:6"}
    patient.fresh_marks()
    with lying(patient.store, words) as url:
        assert "is older than 7.2" in only(patient.examined(store=url), "old_server").what


def a_port_that_somebody_else_has_is_named(patient: Patient) -> None:
    patient.fresh_marks()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = only(patient.examined(url=f"http://127.0.0.1:{port}"), "port_taken")
        assert str(port) in found.what
    patient.fresh_marks()
    assert only(patient.examined(url=f"http://127.0.0.1:{port}"), "service_away").mend


def a_store_that_is_away_is_named(patient: Patient) -> None:
    report = patient.examined(store=f"unix://{patient.data_dir}/nobody.sock")
    assert report.findings[0].code == "store_away"


PLANTED: tuple[Callable[[Patient], None], ...] = (
    nothing_is_said_of_a_healthy_service,
    a_store_that_is_not_append_only_is_named,
    a_store_that_lets_keys_go_and_one_that_syncs_seldom_are_named,
    a_clock_that_is_off_is_named,
    the_clock_of_a_service_elsewhere_is_looked_at,
    stale_marks_are_named,
    a_feed_that_has_fallen_silent_is_named,
    a_shard_without_owner_is_named,
    a_full_disk_is_named,
    room_for_the_data_to_be_written_anew_is_enough,
    a_wrong_key_is_named,
    a_gap_in_the_tiers_is_named,
    an_old_server_is_named,
    a_port_that_somebody_else_has_is_named,
    a_store_that_is_away_is_named,
)
