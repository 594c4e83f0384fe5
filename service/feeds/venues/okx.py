"""OKX: mark price, index and funding of each swap by channels of their own, on one connection.

The channel `instruments` lists the swaps first and tells of new ones. A mark comes within 200 ms of
a change, and every 10 s without one: a symbol's limit of age must be above that. What has said
nothing for 30 s is cut off, so we say `ping`. A connection may ask 480 times an hour, with 64 KiB
at a time.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from service.feeds.intake import Figure, Intake
from service.feeds.venue import Contract, Line, Markets, Rejected, VenueFeed, chunks, named, said

CHANNELS_A_REQUEST = 400  # of some 60 bytes each


class _Channel(Struct, rename="camel"):
    channel: str = ""
    inst_id: str = ""


class _Frame(Struct):
    """A push has `data`, an answer an `event`."""

    arg: _Channel = msgspec.field(default_factory=_Channel)
    data: list[Raw] = msgspec.field(default_factory=list)
    event: str = ""
    msg: str = ""


class _Swap(Struct, rename="camel"):
    inst_id: str
    uly: str = ""
    settle_ccy: str = ""
    state: str = ""

    def contract(self) -> Contract:
        base, _, quote = self.uly.partition("-")
        return Contract(self.inst_id, base, quote, self.settle_ccy)


class _Mark(Struct, rename="camel"):
    inst_id: str
    ts: int
    price: Figure = msgspec.field(name="markPx")


class _Index(Struct, rename="camel"):
    inst_id: str
    price: Figure = msgspec.field(name="idxPx")


class _Funding(Struct, rename="camel"):
    inst_id: str
    funding_rate: Figure


_frames = msgspec.json.Decoder(_Frame)
_swaps = msgspec.json.Decoder(_Swap)
_marks = msgspec.json.Decoder(_Mark, strict=False)  # times are texts
_indices = msgspec.json.Decoder(_Index)
_fundings = msgspec.json.Decoder(_Funding)


class OkxTalk:
    """Learns the swaps from the venue and asks for three channels of each.

    A mark goes out with the newest index and funding; those alone move nobody.
    """

    def __init__(self, intake: Intake, markets: Markets) -> None:
        self._intake = intake
        self._symbols: dict[str, str] = dict(markets)
        self._underlyings: dict[str, str] = {}
        self._indices: dict[str, Figure] = {}
        self._fundings: dict[str, Figure] = {}

    def opening(self) -> Iterable[str]:
        wanted = [{"channel": "instruments", "instType": "SWAP"}]
        return [said({"op": "subscribe", "args": wanted})]

    def hear(self, raw: str | bytes) -> Iterable[str]:
        if raw in ("pong", b"pong"):
            return ()
        frame = _frames.decode(raw)
        if frame.event == "error":
            raise Rejected(frame.msg)
        match frame.arg.channel:
            case "mark-price":
                for one in frame.data:
                    self._mark(_marks.decode(one))
            case "index-tickers":
                for index in map(_indices.decode, frame.data):
                    self._indices[index.inst_id] = index.price
            case "funding-rate":
                for funding in map(_fundings.decode, frame.data):
                    self._fundings[funding.inst_id] = funding.funding_rate
            case "instruments":
                return self._subscribe([_swaps.decode(one) for one in frame.data])
        return ()

    def _mark(self, mark: _Mark) -> None:
        symbol = self._symbols.get(mark.inst_id)
        if symbol is not None:
            self._intake.take(
                symbol,
                mark.price,
                index=self._indices.get(self._underlyings[mark.inst_id]),
                funding=self._fundings.get(mark.inst_id),
                time_ms=mark.ts,
            )

    def _subscribe(self, swaps: list[_Swap]) -> list[str]:
        """Return the requests for swaps we did not know."""
        new = {
            swap.inst_id: swap
            for swap in swaps
            if swap.inst_id not in self._symbols and swap.state == "live"
        }
        symbols = named((swap.contract() for swap in new.values()), self._intake)
        self._symbols |= symbols
        wanted: list[dict[str, str]] = []
        for market in symbols:
            underlying = new[market].uly
            if underlying not in self._underlyings.values():
                wanted.append({"channel": "index-tickers", "instId": underlying})
            self._underlyings[market] = underlying
            wanted += [
                {"channel": channel, "instId": market} for channel in ("mark-price", "funding-rate")
            ]
        return [
            said({"op": "subscribe", "args": some}) for some in chunks(wanted, CHANNELS_A_REQUEST)
        ]


OKX = VenueFeed(
    "okx",
    "okx",
    (
        Line(
            "swaps",
            "wss://ws.okx.com:8443/ws/v5/public",
            OkxTalk,
            silent_after_s=15.0,
            ping="ping",
            ping_every_s=20.0,
        ),
    ),
)
