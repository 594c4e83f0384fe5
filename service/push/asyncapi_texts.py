"""What the AsyncAPI document says in words, and an example of every frame."""

import msgspec

from service.contract.alerts import PoolState
from service.contract.examples import ALERT, CURSOR, EPOCH, MARKET, POOL
from service.contract.frames import (
    AccountState,
    Acknowledge,
    Acknowledged,
    AlertsFrame,
    Auth,
    ErrorFrame,
    Heartbeat,
    MarketsFrame,
    MarksFrame,
    MarkUpdate,
    Notice,
    Ping,
    Pong,
    RiskFrame,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
)
from service.contract.marks import MarkDocument
from service.contract.problems import refused
from service.contract.producing import BATCH_MARKS_MAX, MarkBatch, Taken
from service.contract.results import RiskUpdate
from service.errors import Fault

ABOUT = f"""\
Alerts the moment an account's level changes, resumable without loss; and, the latest of each \
and no more, how accounts are (`risk`), the newest marks and the condition of the markets.

Where keys are in force, say who you are: by the header `Authorization: Bearer <token>`, or by \
`auth` as the first frame within 10 s; never in the address. Alerts need the scope `alerts:read`, \
`risk` needs `accounts:read`; both are of the key's tenant. A web page must be of this host or of \
an origin the settings allow. When a key is revoked or expires, its connections are closed \
within seconds.

A frame of yours costs a unit of the key's, of which its calls are paid too, a subscription as \
many as it names accounts. When there are none left you are read no further until they have grown \
back: send less, nothing is lost or refused.

Subscribe first; the answer is `subscribed`, then a `snapshot` of the accounts that are not \
HEALTHY (unless `recovered`), then `alerts` as they are logged. Keep the last `cursor` you have \
dealt with and give it back as `since` when you come back: everything after it follows, nothing \
twice in the log, nothing left out. An alert may reach you twice around a reconnection; `id` \
tells. Frames are JSON text and never larger than 256 KiB. Fields you do not know may appear: \
ignore them.

When we close, 4000 to 4499 mean "come back and resume", 4500 to 4999 "do not". The protocol's own \
codes answer what breaks it: 1009 a frame of yours that is too large, 1007 a text that is not \
UTF-8, 1002 a broken frame.

`/v1/marks/stream` is for producers of marks. It needs the scope `marks:write` (4502 without it). \
A frame is a batch of {BATCH_MARKS_MAX} marks at most, each taken or refused by itself as \
`POST /v1/marks` does it, and costs as many units. Every frame is answered, in order: a batch by \
`taken` once it is in the market stream. Send on without waiting: what is more than \
{BATCH_MARKS_MAX} marks ahead waits in your socket. The answer `store_unavailable` means that the \
batch is in as a whole or not at all and that we do not know which; so it is with one that was not \
answered when the connection ended. Send such marks again unless you have sent newer ones: an \
equal timestamp is taken, one older than the newest of its source refused. Before a planned \
restart there is a notice; at its end what we have read is answered, then 4000. Producers are told \
of stale and fresh symbols too.\
"""
EXAMPLES: tuple[msgspec.Struct, ...] = (
    Subscribe("1", "alerts", accounts=["desk-7", "fund.*"]),
    Unsubscribe("1"),
    Ping(),
    Auth("a token"),
    Acknowledge("desk-7-12"),
    Subscribed("1", "alerts", EPOCH, False, CURSOR),
    Snapshot(
        "1",
        [
            AccountState(
                "desk-7", "WARNING", [PoolState(POOL, "WARNING", seq=11, since=1_760_129_990_000)]
            )
        ],
        True,
        CURSOR,
    ),
    AlertsFrame("1", [ALERT], CURSOR),
    MarksFrame("2", [MarkUpdate("generic", "BTC/USDT:USDT", 60_600.0, market_id=48_211)]),
    MarketsFrame("4", [MARKET]),
    RiskFrame("3", [RiskUpdate("desk-9", None)]),
    Heartbeat("1", CURSOR),
    Unsubscribed("1"),
    Pong(),
    Acknowledged("desk-7-12", 1_760_130_004_000),
    Notice("stale", "generic", "BTC/USDT:USDT"),
    Notice(
        "outside",
        "generic",
        "BTC/USDT:USDT",
        "diverged",
        0.0236,
        0.02,
        event_time=1_760_130_003_000,
    ),
    ErrorFrame("unknown_channel", "channels: alerts, marks, markets, risk", "1"),
    MarkBatch([MarkDocument("BTC/USDT:USDT", 61_000.5, "binance")], "17"),
    Taken(
        48_212,
        1,
        [refused(1, (Fault("/marks/1/markPrice", "out_of_range", "the number must be > 0"),))],
        id="17",
    ),
)
