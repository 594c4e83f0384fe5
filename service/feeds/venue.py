"""What a venue's file has: its lines, and for each what is said on it and how it is heard.

A talk is one connection's conversation. It knows the venue's frames, and nothing of sockets or
clocks: text in, marks into the intake, text to answer with.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar, get_args

import msgspec

from service.feeds.intake import Intake
from service.feeds.symbols import perpetual
from service.imports.conventions import VENUES_OF_CLASSES

FeedName: TypeAlias = Literal["binance", "bybit", "okx", "hyperliquid", "deribit", "krakenfutures"]
CCXT = "ccxt:"
Markets: TypeAlias = Mapping[str, str]  # the venue's name of a market -> the unified symbol
Get: TypeAlias = Callable[[str], Awaitable[bytes]]  # a path with its query -> the answer's body
Item = TypeVar("Item")


def check_feed(name: str) -> str:
    """Return a feed's name: one of ours, or `ccxt:` and a class of ccxt's; raises ValueError."""
    by_ccxt = name.startswith(CCXT) and name.removeprefix(CCXT) in VENUES_OF_CLASSES
    if name in get_args(FeedName) or by_ccxt:
        return name
    raise ValueError(f"{name}: none of {', '.join(get_args(FeedName))}, nor {CCXT}CLASS")


class Rejected(Exception):
    """The venue would not do what it was asked to; the text is its own, cut short."""


class Contract(NamedTuple):
    """A contract as a venue lists it: its own name, and its assets."""

    market: str
    base: str
    quote: str
    settle: str
    has_end: bool = False


def named(contracts: Iterable[Contract], intake: Intake, most: int | None = None) -> dict[str, str]:
    """Return the symbols of perpetual contracts, at most so many.

    The others are left out, each with its reason.
    """
    found: dict[str, str] = {}
    for market, base, quote, settle, has_end in contracts:
        symbol = perpetual(base, quote, settle)
        if has_end:
            intake.leave_out(market, "not_perpetual")
        elif symbol is None:
            intake.leave_out(market, "not_named")
        elif len(found) == most:
            intake.leave_out(market, "beyond_limit")
        else:
            found[market] = symbol
    return found


class Talk(Protocol):
    """One connection's conversation."""

    def opening(self) -> Iterable[str]:
        """Return what is said once the connection stands."""
        ...

    def hear(self, raw: str | bytes) -> Iterable[str]:
        """Take one frame; return what is to be answered.

        Raises msgspec.MsgspecError for a frame that is not as documented, Rejected for a refusal.
        """
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One connection of a venue and how it is kept alive.

    `ping` is said every `ping_every_s`; without it the WebSocket's own pings serve. A connection
    that brings no mark for `silent_after_s` is given up, whatever else it says. One whose markets
    are listed when it opens is opened anew every `renew_after_s`, as new markets are on no old
    list.
    """

    name: str
    url: str
    talk: Callable[[Intake, Markets], Talk]
    silent_after_s: float
    ping: str | None = None
    ping_every_s: float = 20.0
    list_url: str | None = None
    markets: Callable[[Get, Intake], Awaitable[Markets]] | None = None
    renew_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class VenueFeed:
    """A feed by its name, the venue its marks are of, and its lines."""

    name: FeedName
    venue: str
    lines: tuple[Line, ...]


def said(document: object) -> str:
    """Write a message as venues read it."""
    return msgspec.json.encode(document).decode()


def chunks(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    """Return the items in order, at most `size` together."""
    return (items[start : start + size] for start in range(0, len(items), size))
