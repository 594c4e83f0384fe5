"""Every Redis key of the service, with its slot, encoding and lifetime; no other file spells a key.

The part in braces is the hash tag: keys that share it live in one slot, so one script may touch
them together.

A line a key: its type, what it holds; how long it lives.

{market}:stream           stream: entries `k` kind, `t` event time ms, `d` payload, id
                          `<market id>-0`; trimmed below every shard's committed id
{market}:clock            hash: `sequence` last market id, `eventTime` ms; for good
{market}:newest           hash: market -> `<market id> <event time> <mark JSON>`; for good
{market}:sources          hash: (venue, symbol, source) -> newest timestamp ms; for good
{market}:times            zset: market by the event time at which its next mark is overdue, fresh
                          ones only; for good
{market}:qualities        hash: market -> `<quality> <allows> <marks since it returned> <ms of the
                          last of them>`, of those that are not good; for good
{market}:gates            hash: market -> what its band goes by (preludes/mark_gate.lua) as
                          MessagePack; for good
{market}:rules            hash: market -> its instrument's rule of marks, JSON; as the instrument
{market}:refusals         hash: `<reason> <market>` -> marks refused; no market: unknown; for good
{market}:instruments      hash: market -> instrument JSON; for good
{market}:snapshots        hash: market id -> the monitor's blob of marks and instruments; some of
                          those that the stream reaches back to
{market}:volatility       hash: `id` market id, `state` JSON of every market's volatility as of
                          it; for good
{market}:producer:<name>  string: `<batch> <part> <results>` of its last append; a day after it
{market}:shards           string: shard count; for good, as are the next four
{market}:format           string: the version in which all of this is written, see formats.py
{market}:epoch            string: the log's epoch
{market}:servers          string: `<node id>:<run id>` of every server that holds data
{market}:begun            string: 1 once every shard has its stamp
{market}:migrating        string: token of who changes the format; half a minute unless renewed
{s07}:accounts            hash: account key -> account JSON, newest; until deleted
{s07}:versions            hash: account key -> `<version> <newest change id>`; for good: a
                          re-created account goes on
{s07}:before              hash: account key -> `<version> <JSON>` as of the committed change id (no
                          JSON: not there); while a change is not committed
{s07}:changes             stream: `t` ms, then by change account key, version, cause, JSON (empty:
                          deleted), id `<change id of the last>-0`; trimmed once committed, by
                          the log's retention. Of cause `ack`: version 0, and the seq of an alert
{s07}:history             stream: `k` account key, `v` version, `d` JSON (empty: deleted); versions
                          that ended and whose changes are trimmed; by the log's retention
{s07}:seqs                hash: account key -> last alert seq; for good
{s07}:floors              hash: account key -> last alert seq that is gone from the log; for good
{s07}:acks                hash: `<account key>-<seq>` -> ms it was acknowledged; with its alert
{s07}:levels              hash: account key -> JSON list of pool states; while one is not at rest
{s07}:state               hash: `token`, `commit`, `marketId`, `changeId`, `offset`, `ahead`,
                          `changes`, `dropped` (of the changes), `trimmed` (of the log), `logTime`,
                          stamp `begun`; for good
{s07}:lease               string: fencing token of a live owner; two seconds unless renewed
{s07}:log                 stream: `n` alerts, `accounts` JSON list, `alerts` JSON list, `runs` JSON
                          list of ((market id, round, level), count), where somebody follows
                          a mark `traces` JSON list of (market id, traceparent), id `<offset of
                          the last alert>-0`; by the log's retention
{s07}:times               zset: offset by time of its commit; with its log entry
{s07}:claims              hash: `marketId`, `at` ms, `told` JSON: what the shard's pools ask of each
                          fund as of that market id; replaced as a whole by its owner, for good
{funds}:records           hash: `venue|asset` -> `<version> <JSON>`; for good
{ask}:questions           stream: `i` id, `k` kind, `d` payload, `x` ms the asker waits; newest
                          thousand
{ask}:monitors            hash: live monitor -> `<ms it is good until> <figures JSON>`; a minute
                          after the last monitor
{ask}:feeds               hash: live feed process -> the same of its feeds
{ask}:syncs               hash: live account sync process -> the same of its accounts
{ask}:loglevel            string: the log level that all processes follow; until its time is over
{ask}:answer:<id>         list: `<shards> <payload>`; half a minute
{keys}:records            hash: key id -> API key JSON (of its secret a hash); for good
{units <key id>}:full     string: when all units taken by a key have grown back, epoch microseconds;
                          until then
{units kept <key id>}:full  string: the same of the room of its kept answers
{s07}:call:<name>         string: `<fingerprint> <token>` of a call that carries a key, then
                          `<fingerprint>  <answer>`; a minute, then as long as answers are kept
{call <name>}:call        string: the same of a call that is not about one account
{hooks}:records           hash: webhook key -> webhook JSON; until deleted, as are the next two
{hooks}:secrets           hash: webhook key -> `<secret> [<the one before> <ms it is good until>]`
{hooks}:progress          hash: webhook key -> JSON: cursor, delivery under way
{hooks}:owner             hash: `token` of who delivers; for good
{hooks}:lease             string: token of who delivers and is alive; two seconds unless renewed
{hooks}:dead:<key>        list: dead letters (JSON), the newest hundred; until replayed
{hooks}:again:<key>       list: dead letters that are to be sent again; until that is tried
{targets}:...             the same of targets, whose secret is their URL
{silences}:records        hash: `<tenant>/<id>` -> silence JSON; as long as the log has its alerts
{silences}:changed        string: a number that grows with every change of them; for good
channel alerts            `<shard>:<offset> ...` of what was committed together, a wake-up only
channel entries           of one server: small committed entries of a log as MessagePack: shard,
                          offset before them, each as `write_block` gives it

A market is the field `venue|symbol`, a fund `venue|asset`.
"""

import zlib
from dataclasses import dataclass, field

DEFAULT_TENANT = "default"

STREAM = "{market}:stream"
CLOCK = "{market}:clock"
NEWEST = "{market}:newest"
SOURCES = "{market}:sources"
MARK_TIMES = "{market}:times"
QUALITIES = "{market}:qualities"
GATES = "{market}:gates"
MARK_RULES = "{market}:rules"
REFUSALS = "{market}:refusals"
INSTRUMENTS = "{market}:instruments"
SNAPSHOTS = "{market}:snapshots"
VOLATILITY = "{market}:volatility"
SHARD_COUNT = "{market}:shards"
EPOCH = "{market}:epoch"
SERVERS = "{market}:servers"
BEGUN = "{market}:begun"
FORMAT = "{market}:format"
MIGRATING = "{market}:migrating"

QUESTIONS = "{ask}:questions"
MONITORS = "{ask}:monitors"
FEEDS = "{ask}:feeds"
SYNCS = "{ask}:syncs"
LOG_LEVEL = "{ask}:loglevel"
API_KEYS = "{keys}:records"
SILENCES = "{silences}:records"
SILENCES_CHANGED = "{silences}:changed"
FUNDS = "{funds}:records"
ALERTS_CHANNEL = "alerts"
ENTRIES_CHANNEL = "entries"
CHANNELS = (ALERTS_CHANNEL, ENTRIES_CHANNEL)


def producer(name: str) -> str:
    return f"{{market}}:producer:{name}"


def answer(question_id: str) -> str:
    return f"{{ask}}:answer:{question_id}"


def units(key_id: str) -> str:
    return f"{{units {key_id}}}:full"


def call(shard: int | None, name: str) -> str:
    """Return the record of a call; in the slot of a shard where the call is about an account."""
    return f"{{call {name}}}:call" if shard is None else f"{shard_tag(shard)}:call:{name}"


def tenant_key(tenant: str, name: str) -> str:
    """Return the name of a tenant's account, webhook, target or silence inside the service.

    What clients call them is unique within a tenant only.
    """
    return f"{tenant}/{name}"


def split_tenant_key(key: str) -> tuple[str, str]:
    """Return the tenant and what it calls its own; a tenant has no slash in its name."""
    tenant, _, name = key.partition("/")
    return tenant, name


def shard_of(key: str, shards: int) -> int:
    """Return the shard of an account key; it never changes for a data directory."""
    return zlib.crc32(key.encode()) % shards


def shard_tag(shard: int) -> str:
    """Return what the names of a shard's keys begin with."""
    return f"{{s{shard:02d}}}"


def market_name(venue: str, symbol: str) -> str:
    """Return the field of a (venue, symbol); venues have no bar, so it can be read back."""
    return f"{venue}|{symbol}"


def market_of(name: str) -> tuple[str, str]:
    venue, _, symbol = name.partition("|")
    return venue, symbol


def source_name(venue: str, symbol: str, source: str) -> str:
    """Return the field of a (venue, symbol, source); the length keeps two triples apart."""
    return f"{venue}|{len(symbol)}|{symbol}|{source}"


@dataclass(frozen=True, slots=True)
class ShardKeys:
    """The keys of one shard; all in one slot."""

    shard: int
    accounts: str = field(init=False)
    versions: str = field(init=False)
    before: str = field(init=False)
    changes: str = field(init=False)
    history: str = field(init=False)
    seqs: str = field(init=False)
    levels: str = field(init=False)
    state: str = field(init=False)
    lease: str = field(init=False)
    log: str = field(init=False)
    times: str = field(init=False)
    floors: str = field(init=False)
    acks: str = field(init=False)
    claims: str = field(init=False)

    def __post_init__(self) -> None:
        for name in self.__slots__[1:]:
            object.__setattr__(self, name, f"{shard_tag(self.shard)}:{name}")


@dataclass(frozen=True, slots=True)
class ReceiverKeys:
    """The keys of one kind of receivers of alerts; all in one slot."""

    tag: str
    records: str = field(init=False)
    secrets: str = field(init=False)
    progress: str = field(init=False)
    owner: str = field(init=False)
    lease: str = field(init=False)

    def __post_init__(self) -> None:
        for name in self.__slots__[1:]:
            object.__setattr__(self, name, f"{self.tag}:{name}")

    def dead_letters(self, receiver_key: str) -> str:
        return f"{self.tag}:dead:{receiver_key}"

    def letters_again(self, receiver_key: str) -> str:
        return f"{self.tag}:again:{receiver_key}"


HOOKS, TARGETS = ReceiverKeys("{hooks}"), ReceiverKeys("{targets}")
