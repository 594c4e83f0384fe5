"""What is in the store: shards and who owns them, marks and feeds, tiers, keys."""

import asyncio
import time
from collections.abc import Sequence

import orjson

from service.api.feeds import amiss
from service.contract.instruments import decode_instrument
from service.doctor.findings import Report
from service.errors import ServiceError
from service.settings import Settings
from service.store import keys
from service.store.alert_log import LEASE_MS, AlertLog
from service.store.api_keys import ApiKeys
from service.store.client import Client
from service.store.health import members
from service.store.market_stream import MarketStream

LISTED = 5
AGAIN_S = 1.5 * LEASE_MS / 1_000.0  # who has just taken a shard over is not missed
EXPIRES_SOON_MS = 7 * 86_400_000


async def check_data(report: Report, settings: Settings, client: Client) -> None:
    """Look at what is stored; raises StoreUnavailable."""
    market = MarketStream(client)
    if not await _same_shards(report, settings, client):
        return
    await _check_owners(report, settings, client)
    await _check_marks(report, market)
    await _check_feeds(report, settings, client)
    await _check_tiers(report, market)
    await _check_keys(report, settings, client)


async def _same_shards(report: Report, settings: Settings, client: Client) -> bool:
    stored = await client.call("GET", keys.SHARD_COUNT)
    if stored is None or int(stored) == settings.shards:
        return True
    report.error(
        "wrong_shards",
        f"the data has {int(stored)} shards, the settings say {settings.shards}",
        "a service with another number does not start over this data",
        f"PLIMSOLL_SHARDS={int(stored)}",
    )
    return False


async def _check_owners(report: Report, settings: Settings, client: Client) -> None:
    log = AlertLog(client, settings.shards)
    unowned = await log.unowned()
    if unowned:
        await asyncio.sleep(AGAIN_S)
        unowned = await log.unowned()
    report.looked_at.append(f"{settings.shards} shards")
    told = await members(client)
    if unowned:
        those = _some([str(shard) for shard in unowned])
        report.error(
            "shard_without_owner",
            f"{len(unowned)} of {settings.shards} shards have no monitor: {those}",
            "nobody judges their accounts, and nobody is told of them",
            "see why the monitors ended or hang (their log), and start one: "
            "`plimsoll serve --role monitor`" + ("" if told else "; there is none at all now"),
        )
    for name, figures in told.items():
        wrong = orjson.loads(figures).get("mismatches", 0)
        if wrong:
            report.warn(
                "mismatches",
                f"monitor {name} has found {wrong} pools at another level than they should be",
                "its sweep has put them right, but their alerts came late",
                "report it with the monitor's log: this is a defect of ours",
            )


async def _check_marks(report: Report, market: MarketStream) -> None:
    newest = await market.newest()
    report.looked_at.append(f"{len(newest)} marks")
    if not newest:
        report.error(
            "no_marks",
            "no mark has ever come in",
            "without marks every position is UNPRICED: nobody is warned",
            "PLIMSOLL_FEEDS=binance (or `plimsoll feed binance`), or POST /v1/marks; "
            "to try it out: `plimsoll replay FILE`",
        )
        return
    stale = [f"{mark.venue} {mark.symbol}" for mark in newest if mark.stale]
    if stale:
        say = report.error if len(stale) == len(newest) else report.warn
        say(
            "stale_marks",
            f"{len(stale)} of {len(newest)} symbols have no fresh mark: {_some(stale)}",
            "on a stale mark nobody is told of a LIQUIDATION or BANKRUPT",
            "see whether their feed still runs and which of its connections are open "
            "(`plimsoll_feed_lines_open`), and what it was refused; delisted ones may stay",
        )


async def _check_feeds(report: Report, settings: Settings, client: Client) -> None:
    for words in amiss(await members(client, keys.FEEDS), settings.feeds):
        report.error(
            "feed",
            words,
            "its symbols' marks are missing or grow old",
            "see the feed's log and whether this machine reaches the venue; its figures are "
            "`plimsoll_feed_*` at /metrics",
        )
    if settings.feeds:
        report.looked_at.append(f"feeds {', '.join(settings.feeds)}")


async def _check_tiers(report: Report, market: MarketStream) -> None:
    stored = await market.instruments()
    report.looked_at.append(f"{len(stored)} instruments")
    for venue, symbol, doc in stored:
        try:
            decode_instrument(doc)
        except ServiceError as error:
            code = error.faults[0].code if error.faults else error.code
            known = code.startswith("tier") or code in ("falling_rate", "empty_tier", "no_tiers")
            report.error(
                "tier_gap" if known else "unreadable_instrument",
                f"the terms of {venue} {symbol} cannot be gone by: {error.detail} ({code})",
                "monitors pass them over: its positions are judged by older terms, or UNPRICED",
                "write it anew: `plimsoll instruments import`, or PUT /v1/instruments",
            )


async def _check_keys(report: Report, settings: Settings, client: Client) -> None:
    if not settings.keys_in_force:
        return
    now_ms = time.time_ns() // 1_000_000
    good = [key for key in await ApiKeys(client).list() if key.is_good(now_ms)]
    report.looked_at.append(f"{len(good)} keys")
    if not good and settings.bootstrap_key is None:
        report.error(
            "no_keys",
            "keys are required, and there is none that is good",
            "nobody can call the service",
            "`plimsoll keys create NAME --scope admin`",
        )
    soon = [
        key.name
        for key in good
        if key.expires is not None and key.expires - now_ms < EXPIRES_SOON_MS
    ]
    if soon:
        report.warn(
            "keys_expire",
            f"keys that expire within a week: {_some(soon)}",
            "who uses them is refused then",
            "`plimsoll keys create`, hand the new token over, then `plimsoll keys revoke`",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
