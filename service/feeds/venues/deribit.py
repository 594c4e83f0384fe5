"""Deribit: a ticker a perpetual, in requests and notifications of JSON-RPC, on one connection.

The instruments are asked for on the connection itself. The server sends a `test_request` as often
as `set_heartbeat` says and cuts off who does not answer it. 500 channels may be asked for at once.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from service.feeds.intake import Activity, Figure, Intake, in_coins
from service.feeds.venue import Contract, Line, Markets, Rejected, VenueFeed, chunks, named, said

CHANNELS_A_REQUEST = 500
HEARTBEAT_S = 30
_HEARTBEAT, _INSTRUMENTS, _SUBSCRIBE, _TEST = 1, 2, 3, 4  # ids of our requests


class _Params(Struct):
    channel: str = ""
    type: str = ""
    data: Raw = msgspec.field(default_factory=Raw)


class _Error(Struct):
    message: str = ""


class _Frame(Struct):
    id: int | None = None
    method: str = ""
    params: _Params | None = None
    result: Raw = msgspec.field(default_factory=Raw)
    error: _Error | None = None


class _Stats(Struct):
    volume: Figure = None  # in the base coin


class _Ticker(Struct):
    instrument_name: str
    timestamp: int
    mark_price: Figure
    index_price: Figure = None
    last_price: Figure = None
    current_funding: Figure = None
    open_interest: Figure = None
    stats: _Stats = msgspec.field(default_factory=_Stats)

    def activity(self, symbol: str) -> Activity:
        """Return it in the base coin: an inverse contract's interest is told in dollars."""
        is_inverse = "/USD:" in symbol
        interest = self.open_interest
        return Activity(
            in_coins(interest, self.mark_price) if is_inverse else interest, self.stats.volume
        )


class _Instrument(Struct):
    instrument_name: str
    base_currency: str
    quote_currency: str
    settlement_currency: str = ""
    settlement_period: str = ""

    def contract(self) -> Contract:
        assets = (self.base_currency, self.quote_currency, self.settlement_currency)
        return Contract(self.instrument_name, *assets, self.settlement_period != "perpetual")


_frames = msgspec.json.Decoder(_Frame)
_tickers = msgspec.json.Decoder(_Ticker)
_instruments = msgspec.json.Decoder(list[_Instrument])


class DeribitTalk:
    """Sets the heartbeat, asks for the instruments, then for the ticker of each perpetual."""

    def __init__(self, intake: Intake, markets: Markets) -> None:
        self._intake = intake
        self._symbols: dict[str, str] = dict(markets)

    def opening(self) -> Iterable[str]:
        wanted = {"currency": "any", "kind": "future", "expired": False}
        return [
            _request(_HEARTBEAT, "public/set_heartbeat", {"interval": HEARTBEAT_S}),
            _request(_INSTRUMENTS, "public/get_instruments", wanted),
        ]

    def hear(self, raw: str | bytes) -> Iterable[str]:
        frame = _frames.decode(raw)
        if frame.error is not None:
            raise Rejected(frame.error.message)
        if frame.method == "subscription" and frame.params is not None:
            self._ticker(_tickers.decode(frame.params.data))
        elif frame.method == "heartbeat" and frame.params is not None:
            if frame.params.type == "test_request":
                return [_request(_TEST, "public/test", {})]
        elif frame.id == _INSTRUMENTS:
            return self._subscribe(_instruments.decode(frame.result))
        return ()

    def _ticker(self, ticker: _Ticker) -> None:
        symbol = self._symbols.get(ticker.instrument_name)
        if symbol is not None:
            self._intake.take(
                symbol,
                ticker.mark_price,
                index=ticker.index_price,
                last=ticker.last_price,
                funding=ticker.current_funding,
                activity=ticker.activity(symbol),
                time_ms=ticker.timestamp,
            )

    def _subscribe(self, instruments: list[_Instrument]) -> list[str]:
        self._symbols |= named((one.contract() for one in instruments), self._intake)
        channels = [f"ticker.{name}.100ms" for name in self._symbols]
        return [
            _request(_SUBSCRIBE, "public/subscribe", {"channels": some})
            for some in chunks(channels, CHANNELS_A_REQUEST)
        ]


def _request(number: int, method: str, params: object) -> str:
    return said({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


DERIBIT = VenueFeed(
    "deribit",
    "deribit",
    (
        Line(
            "perpetuals",
            "wss://www.deribit.com/ws/api/v2",
            DeribitTalk,
            silent_after_s=20.0,
            renew_after_s=4 * 3_600.0,
        ),
    ),
)
