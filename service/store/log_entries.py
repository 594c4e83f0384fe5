"""An entry of an alert log: alerts of some accounts of a shard, and their rank among all alerts.

A reader of many shards puts them in order, sends them on or passes over them by what stands beside
the alerts, and takes none of them apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec
import orjson

SEPARATOR = b",\n"  # between the alerts of an entry

# An entry as the store has it: how many alerts, and account keys, alerts, runs, traces as JSON.
Written: TypeAlias = tuple[int, bytes, bytes, bytes, bytes]


class Rank(NamedTuple):
    """Where alerts stand among all there are.

    Those of one market entry come in its rounds, of one round worse levels first; those of one rank
    by account, and of one account as its shard has them.
    """

    market_id: int
    round: int
    level: int


class Run(NamedTuple):
    """So many alerts of one rank, one after the other."""

    rank: Rank
    alerts: int


@dataclass(frozen=True, slots=True)
class LogBlock:
    """Alerts that become one log entry: a JSON list, each on a line of its own; `account_keys` says
    whose each is, `runs` of what rank, `traces` (by market id) which of them somebody follows."""

    account_keys: Sequence[str]
    alerts: bytes
    runs: Sequence[Run]
    traces: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Alerts `offset_first` .. `offset_last`; `account_keys` runs parallel to the JSON list."""

    offset_first: int
    offset_last: int
    account_keys: list[str]
    alerts: bytes
    runs: list[Run]
    traces: Mapping[int, str] = field(default_factory=dict)


def join_alerts(encoded: Sequence[bytes]) -> bytes:
    """Return the JSON array of alerts that are encoded already: what a log entry holds.

    One stands on each line. No encoded text has a line break in it, so `split_alerts` needs no
    parser.
    """
    return b"[" + SEPARATOR.join(encoded) + b"]"


def split_alerts(array: bytes) -> list[bytes]:
    """Return each alert of an array that `join_alerts` made as its own bytes, unchanged."""
    return array[1:-1].split(SEPARATOR)


def write_block(block: LogBlock) -> Written:
    """Return what `commit_shard.lua` makes an entry of."""
    runs = [(tuple(rank), count) for rank, count in block.runs]
    accounts = orjson.dumps(list(block.account_keys))
    traces = orjson.dumps(list(block.traces.items())) if block.traces else b""
    return len(block.account_keys), accounts, block.alerts, orjson.dumps(runs), traces


def read_entry(row: Any) -> LogEntry:
    """Return the entry that a range of the stream shows as this row; only some have traces."""
    identifier, (_, count, _, accounts, _, alerts, _, runs, *more) = row
    traces = more[1] if more else b""
    return _entry(int(identifier[:-2]), (int(count), accounts, alerts, runs, traces))


def pack_entries(shard: int, offset: int, written: Sequence[Written]) -> bytes:
    """Return the entries behind an offset of a shard's log as one text for those who listen."""
    return _packer.encode((shard, offset, written))


def unpack_entries(text: bytes) -> tuple[int, list[LogEntry]]:
    """Return the shard and the entries of such a text."""
    shard, offset, written = _unpacker.decode(text)
    entries = []
    for each in written:
        offset += each[0]
        entries.append(_entry(offset, each))
    return shard, entries


def _entry(last: int, written: Written) -> LogEntry:
    count, accounts, alerts, runs, traces = written
    ranked = [Run(Rank(*rank), many) for rank, many in orjson.loads(runs)]
    followed = dict(orjson.loads(traces)) if traces else {}
    return LogEntry(last - count + 1, last, orjson.loads(accounts), alerts, ranked, followed)


_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(tuple[int, int, list[Written]])
