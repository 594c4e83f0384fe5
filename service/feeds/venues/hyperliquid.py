"""Hyperliquid: the context of each perpetual (mark, oracle, mid, funding), on one connection.

The coins are asked for on the connection itself (`post` of the info request `meta`). Contexts carry
no time, so order is that of arrival and the venue's clock cannot be measured. An address may have
1,000 subscriptions; what has said nothing for 60 s is cut off.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from service.feeds.intake import Activity, Figure, Intake
from service.feeds.venue import Contract, Line, Markets, Rejected, VenueFeed, named, said

SUBSCRIPTIONS_MAX = 1_000


class _Frame(Struct):
    channel: str
    data: Raw = msgspec.field(default_factory=Raw)


class _Context(Struct):
    mark: Figure = msgspec.field(name="markPx")
    oracle: Figure = msgspec.field(name="oraclePx", default=None)
    funding: Figure = None
    open_interest: Figure = msgspec.field(name="openInterest", default=None)
    day_volume: Figure = msgspec.field(name="dayBaseVlm", default=None)


class _ActiveContext(Struct):
    coin: str
    ctx: _Context


class _Coin(Struct, rename="camel"):
    name: str
    is_delisted: bool = False


class _Universe(Struct):
    universe: list[_Coin]


class _Payload(Struct):
    data: _Universe


class _Response(Struct):
    payload: _Payload


class _Post(Struct):
    response: _Response


_frames = msgspec.json.Decoder(_Frame)
_contexts = msgspec.json.Decoder(_ActiveContext)
_posts = msgspec.json.Decoder(_Post)


class HyperliquidTalk:
    """Asks for the coins, then for the context of each."""

    def __init__(self, intake: Intake, markets: Markets) -> None:
        self._intake = intake
        self._symbols: dict[str, str] = dict(markets)

    def opening(self) -> Iterable[str]:
        request = {"type": "info", "payload": {"type": "meta"}}
        return [said({"method": "post", "id": 1, "request": request})]

    def hear(self, raw: str | bytes) -> Iterable[str]:
        frame = _frames.decode(raw)
        match frame.channel:
            case "activeAssetCtx":
                heard = _contexts.decode(frame.data)
                symbol = self._symbols.get(heard.coin)
                if symbol is not None:
                    context = heard.ctx
                    self._intake.take(
                        symbol,
                        context.mark,
                        index=context.oracle,
                        funding=context.funding,
                        activity=Activity(context.open_interest, context.day_volume),
                    )
            case "post":
                return self._subscribe(_posts.decode(frame.data).response.payload.data.universe)
            case "error":
                raise Rejected(bytes(frame.data).decode(errors="replace"))
        return ()

    def _subscribe(self, coins: list[_Coin]) -> list[str]:
        """Return the requests for coins that are traded; all settle in USDC."""
        contracts = (
            Contract(coin.name, coin.name, "USDC", "USDC") for coin in coins if not coin.is_delisted
        )
        self._symbols |= named(contracts, self._intake, SUBSCRIPTIONS_MAX)
        return [
            said({"method": "subscribe", "subscription": {"type": "activeAssetCtx", "coin": coin}})
            for coin in self._symbols
        ]


HYPERLIQUID = VenueFeed(
    "hyperliquid",
    "hyperliquid",
    (
        Line(
            "perpetuals",
            "wss://api.hyperliquid.xyz/ws",
            HyperliquidTalk,
            silent_after_s=15.0,
            ping=said({"method": "ping"}),
            ping_every_s=20.0,
            renew_after_s=4 * 3_600.0,
        ),
    ),
)
