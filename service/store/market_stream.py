"""The market stream: the one order in which everything a monitor reacts to has happened.

Marks, changes of a symbol's quality, instruments, clock entries and notices of account changes are
entries of one stream, numbered 1, 2, 3 ... without gaps. Event time never goes backwards. Which
mark is let through, and of which quality a symbol's marks are, is decided here, in the script that
appends it, so that every reader sees the same, and every run over the stream too. A retried append
with the same (producer, batch) appends nothing and answers what it answered then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import nan
from typing import Any, Literal

import orjson

from service.risk.mark_rule import DOOR, MarkRule
from service.risk.quality import GOOD, Quality, Verdict, verdict_of
from service.store import keys
from service.store.client import Client, at_most
from service.store.commands import Part, load_script, pairs
from service.store.refusals import MarkRefusals

EntryKind = Literal["m", "q", "i", "c", "a"]

MARKS_A_CALL = 500  # some milliseconds of the server at most
PRODUCER_MEMORY_MS = 86_400_000
CLOCK_SILENCE_MS = 1_000
OWN_SOURCE, OWN_PRODUCER = "own", "own-marks"  # of the marks that are made here
_GATE_KEYS = (
    keys.STREAM,
    keys.CLOCK,
    keys.NEWEST,
    keys.SOURCES,
    keys.MARK_TIMES,
    keys.QUALITIES,
    keys.GATES,
    keys.MARK_RULES,
    keys.REFUSALS,
)


@dataclass(frozen=True, slots=True)
class Gate:
    """The mark gate of one door; `event_time`: our clock at receipt, or the marks' own timestamps.

    What an instrument says of its own marks goes before `rule`, which must say everything.
    """

    event_time: Literal["received", "source"] = "received"
    rule: MarkRule = DOOR
    max_ahead_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class NewMark:
    """A mark on its way into the stream; `payload` is the JSON object readers get, unchanged."""

    venue: str
    symbol: str
    payload: bytes
    timestamp_ms: int | None = None
    source: str = ""
    price: float = nan  # what a band is about; not known: none lets it through


@dataclass(frozen=True, slots=True)
class MarketEntry:
    """One entry of the stream.

    Kinds: m mark, o what a mark is made of (a mark of another source), q quality {venue, symbol,
    quality, allows}, i instrument, c clock, a account changes {shard, upto}.
    """

    market_id: int
    kind: str
    event_time_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class NewestMark:
    """The newest mark of a (venue, symbol) with the entry that brought it."""

    venue: str
    symbol: str
    market_id: int
    event_time_ms: int
    verdict: Verdict
    payload: bytes

    @property
    def stale(self) -> bool:
        return self.verdict.quality is Quality.STALE


@dataclass(frozen=True, slots=True)
class MarketPicture:
    """Marks and instruments as of one market id: where a follower of the stream starts from."""

    market_id: int
    event_time_ms: int
    marks: list[NewestMark]
    instruments: list[tuple[str, str, bytes]]  # venue, symbol, JSON


class MarketStream:
    """Writes and reads the stream; `blocking` (`connect_blocking`) is for waiting reads."""

    def __init__(
        self, client: Client, gate: Gate | None = None, blocking: Client | None = None
    ) -> None:
        self._client = client
        self._blocking = blocking
        self._gate = gate or Gate()
        self._rule = orjson.dumps(self._gate.rule.document())
        self.refusals = MarkRefusals(client)
        self._append_marks = load_script("append_marks")
        self._append_entries = load_script("append_entries")
        self._trim = load_script("trim_market")

    async def append_marks(
        self, marks: Sequence[NewMark], producer: str | None = None, batch: int = 0
    ) -> list[int | str]:
        """Append marks in order; by mark the market id, or why it was refused.

        The reasons are in docs/marks.md; `repeated` when a batch of this producer was appended
        before and its answer is no longer known. Batches of a producer must be numbered upwards.
        """
        results: list[int | str] = []
        iterator, part = iter(marks), 0
        while chunk := list(islice(iterator, MARKS_A_CALL)):
            answer = await self._append(chunk, producer, batch, part, -1)
            part += 1
            if answer == b"repeated":
                results += ["repeated"] * len(chunk)
            else:
                results += [_result(text) for text in answer.decode().split(",")]
        return results

    async def append_clock(self) -> None:
        """Notice what went stale, and break a second's silence by a clock entry.

        By source time it does nothing.
        """
        await self._append((), None, 0, 0, CLOCK_SILENCE_MS)

    async def _append(
        self, marks: Sequence[NewMark], producer: str | None, batch: int, part: int, silence_ms: int
    ) -> bytes:
        arguments: list[Part] = [self._gate.event_time, self._gate.max_ahead_ms, silence_ms]
        arguments += [-1 if producer is None else batch, part, PRODUCER_MEMORY_MS, self._rule]
        for mark in marks:
            arguments += (
                keys.market_name(mark.venue, mark.symbol),
                keys.source_name(mark.venue, mark.symbol, mark.source),
                "" if mark.timestamp_ms is None else mark.timestamp_ms,
                mark.payload,
                repr(mark.price),
                mark.source,
            )
        answer: bytes = await self._client.run(
            self._append_marks, (*_GATE_KEYS, keys.producer(producer or "")), arguments
        )
        return answer

    async def append_instruments(self, instruments: Sequence[tuple[str, str, bytes]]) -> list[int]:
        """Store instruments (venue, symbol, JSON), append changes; 0 for one stored just so."""
        return await self._append_plain(
            [("i", keys.market_name(venue, symbol), doc) for venue, symbol, doc in instruments]
        )

    async def append_changes(self, upto: Sequence[tuple[int, int]]) -> list[int]:
        """Tell shards' owners, as (shard, change id), that changes up to there are in."""
        return await self._append_plain(
            [("a", "", orjson.dumps({"shard": shard, "upto": change})) for shard, change in upto]
        )

    async def _append_plain(self, entries: Sequence[tuple[EntryKind, str, bytes]]) -> list[int]:
        results: list[int] = []
        for start in range(0, len(entries), MARKS_A_CALL):
            arguments: list[Part] = [self._gate.event_time]
            for entry in entries[start : start + MARKS_A_CALL]:
                arguments += entry
            results += await self._client.run(
                self._append_entries,
                (keys.STREAM, keys.CLOCK, keys.INSTRUMENTS, keys.MARK_RULES),
                arguments,
            )
        return results

    async def read(self, after: int, count: int = 1_000, block_ms: int = 0) -> list[MarketEntry]:
        """Return up to `count` entries after market id `after`; wait `block_ms` for the first.

        Market ids have no gaps: a first entry that is not `after` + 1 means that older ones were
        trimmed, or lost with a server.
        """
        if block_ms == 0:
            rows = await self._client.call(
                "XRANGE", keys.STREAM, f"({after}-0", "+", "COUNT", count
            )
            return [_entry(row) for row in rows]
        assert self._blocking is not None
        async with at_most(block_ms / 1_000 + 5.0):
            answer = await self._blocking.call(
                "XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", keys.STREAM, f"{after}-0"
            )
        return [_entry(row) for row in answer[0][1]] if answer else []

    async def tail(self) -> tuple[int, int]:
        """Return the newest market id and event time; zeros before the first entry."""
        sequence, event_time = await self._client.call("HMGET", keys.CLOCK, "sequence", "eventTime")
        return int(sequence or 0), int(event_time or 0)

    async def picture(self) -> MarketPicture:
        """Return newest marks and instruments as of one market id; `read` goes on from it."""
        clock, marks, qualities, instruments = await self._client.batch(
            [
                ("HMGET", keys.CLOCK, "sequence", "eventTime"),
                ("HGETALL", keys.NEWEST),
                ("HGETALL", keys.QUALITIES),
                ("HGETALL", keys.INSTRUMENTS),
            ],
            atomic=True,
        )
        return MarketPicture(
            int(clock[0] or 0),
            int(clock[1] or 0),
            _newest_marks(marks, qualities),
            [(*keys.market_of(name.decode()), doc) for name, doc in pairs(instruments)],
        )

    async def newest(self) -> list[NewestMark]:
        """Return the newest mark of every (venue, symbol)."""
        marks, qualities = await self._client.batch(
            [("HGETALL", keys.NEWEST), ("HGETALL", keys.QUALITIES)], atomic=True
        )
        return _newest_marks(marks, qualities)

    async def instruments(
        self, venue: str | None = None, symbol: str | None = None
    ) -> list[tuple[str, str, bytes]]:
        """Return instruments (venue, symbol, JSON) by name, of a venue or symbol where given."""
        found = []
        for name, doc in pairs(await self._client.call("HGETALL", keys.INSTRUMENTS)):
            of_venue, of_symbol = keys.market_of(name.decode())
            if venue in (None, of_venue) and symbol in (None, of_symbol):
                found.append((of_venue, of_symbol, doc))
        return sorted(found)

    async def save_snapshot(self, market_id: int, blob: bytes) -> None:
        """Keep the marks and instruments as of a market id; `trim` drops what it makes needless."""
        await self._client.call("HSET", keys.SNAPSHOTS, market_id, blob)

    async def load_snapshot(self, at_most_id: int) -> tuple[int, bytes] | None:
        """Return the newest snapshot at or below a market id, None when there is none."""
        ids = [int(name) for name in await self._client.call("HKEYS", keys.SNAPSHOTS)]
        for market_id in sorted((found for found in ids if found <= at_most_id), reverse=True):
            blob = await self._client.call("HGET", keys.SNAPSHOTS, market_id)
            if blob is not None:
                return market_id, blob
        return None

    async def trim(self, committed: int, keep: int) -> int:
        """Drop what no restart from `committed` needs; return the highest id gone.

        `committed` is the least of all shards; the newest `keep` entries stay.
        """
        names = (keys.STREAM, keys.SNAPSHOTS, keys.CLOCK)
        return int(await self._client.run(self._trim, names, (committed, keep)))


def _result(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _entry(row: Any) -> MarketEntry:
    identifier, (_, kind, _, event_time, _, payload) = row
    return MarketEntry(int(identifier[:-2]), kind.decode(), int(event_time), payload)


def _newest_marks(flat: Sequence[bytes], qualities: Sequence[bytes]) -> list[NewestMark]:
    words = {name: said.decode().split(" ") for name, said in pairs(qualities)}
    verdicts = {name: verdict_of(quality, allows) for name, (quality, allows, *_) in words.items()}
    marks = []
    for name, value in pairs(flat):
        market_id, event_time, payload = value.split(b" ", 2)
        venue, symbol = keys.market_of(name.decode())
        marks.append(
            NewestMark(
                venue,
                symbol,
                int(market_id),
                int(event_time),
                verdicts.get(name, GOOD),
                payload,
            )
        )
    return marks
