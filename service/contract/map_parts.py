"""What a worker asks the monitors for a liquidation map, and what they answer, a shard at a time.

Parts are sums, so a worker adds them up in whatever order they come. They go between processes of
one release: a part that cannot be read is another release's.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

MAP = "map"
FORGET_MAP = "forget map"


class FundLimit(Struct, array_like=True, frozen=True):
    """What a venue's fund pays a pool at most."""

    venue: str
    asset: str
    most: float


class MapQuestion(Struct, frozen=True):
    """The map of the accounts of a tenant (None: of all) in these shards.

    `job` is the same when some shards are asked for again. `factors` are those of the marks, a
    point each; `symbol` and `venue` say whose (None: all). Nobody waits longer than `lasts_s`.
    """

    job: str
    shards: list[int]
    tenant: str | None
    symbol: str | None
    venue: str | None
    factors: list[float]
    limits: list[FundLimit]
    lasts_s: float


class MapCell(Struct, array_like=True, frozen=True):
    """Sums of the pools that are counted in an asset at a venue.

    `price` is the asset's in USD, by point (NaN: unknown); `sums` are the fields of
    `risk.liquidation_map`, one point's after the other's.
    """

    venue: str
    asset: str
    price: list[float]
    sums: list[float]


class MapPart(Struct, tag="part", frozen=True):
    """One shard's: counts by point, sums by cell, and the market entry whose marks it goes by."""

    market_id: int
    accounts: int
    pools: int
    unpriced: int
    liquidated: list[int]
    short: list[int]
    cells: list[MapCell]


class MapRefused(Struct, tag="refused", frozen=True):
    """The monitor has as many maps to make as it takes on."""


MapReply: TypeAlias = MapPart | MapRefused

_encoder = msgspec.msgpack.Encoder()
_question_decoder = msgspec.msgpack.Decoder(MapQuestion)
_reply_decoder: msgspec.msgpack.Decoder[MapReply] = msgspec.msgpack.Decoder(MapReply)


def encode_map(message: Struct) -> bytes:
    """Encode a question or a reply, of a map or of scenarios."""
    return _encoder.encode(message)


def decode_map_question(raw: bytes) -> MapQuestion:
    return _question_decoder.decode(raw)


def decode_map_reply(raw: bytes) -> MapReply:
    return _reply_decoder.decode(raw)
