"""The market stream and the alert log in the reference's words, to hold one against the other."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from service.contract.accounts import decode_account
from service.contract.instruments import decode_instrument
from service.contract.marks import decode_mark
from service.risk.model import Level
from service.risk.quality import verdict_of
from service.store.accounts import ACK, AccountChange
from service.store.keys import split_tenant_key
from service.store.market_stream import MarketEntry
from tests.reference.entries import Ack, Change, Entry, Logged, Quality

Alert = dict[str, Any]


def entry_of(raw: MarketEntry, changes: Sequence[AccountChange]) -> Entry:
    """An entry with everything it refers to; `changes` are those its notice brings in."""
    return Entry(raw.market_id, raw.event_time_ms, _payload(raw, changes))


def _payload(raw: MarketEntry, changes: Sequence[AccountChange]) -> Any:
    match raw.kind:
        case "m":
            return decode_mark(raw.payload)
        case "i":
            return decode_instrument(raw.payload)
        case "q":
            said = orjson.loads(raw.payload)
            verdict = verdict_of(said["quality"], said["allows"])
            return Quality(said["venue"], said["symbol"], verdict)
        case "a":
            return tuple(_change(one) for one in changes)
    return None


def _change(one: AccountChange) -> Change | Ack:
    if one.cause == ACK:
        return Ack(one.account_key, int(one.doc or b"0"))
    account = None if one.doc is None else decode_account(one.doc, one.account_key)
    return Change(one.account_key, account, one.cause, one.version)


def order(alert: Alert) -> tuple[Any, ...]:
    pool = alert["pool"]
    name = (pool["kind"], pool["settle"], pool.get("symbol", ""), pool.get("side", ""))
    return (alert["marketId"], -Level[alert["level"]], alert["accountId"], name)


def told(alerts: Iterable[Alert]) -> list[tuple[Any, ...]]:
    """What of each alert a from-scratch log says too."""
    return [
        (
            alert["marketId"],
            alert["eventTime"],
            alert["accountId"],
            alert["seq"],
            order(alert)[3],
            alert["level"],
            alert["previousLevel"],
            alert["transition"],
            alert["cause"],
            alert["accountVersion"],
            alert.get("repeatOf"),
        )
        for alert in alerts
    ]


def expected(log: Iterable[Logged]) -> list[tuple[Any, ...]]:
    """The from-scratch log in the same words."""
    return [
        (
            one.market_id,
            one.event_time_ms,
            split_tenant_key(one.account_key)[1],
            one.seq,
            (one.pool.kind, one.pool.settle, one.pool.symbol, one.pool.side),
            one.level.name,
            one.previous.name,
            one.transition,
            one.cause,
            one.version,
            f"{split_tenant_key(one.account_key)[1]}-{one.repeat_of}" if one.repeat_of else None,
        )
        for one in log
    ]
