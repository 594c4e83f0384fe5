"""How markets move, as the workers keep it for each other: one JSON document, column by column."""

import logging

import msgspec

from service.risk.reports import Key
from service.risk.volatility import VolatilityBook
from service.store.volatility import KeptVolatility

_log = logging.getLogger("plimsoll.api")

Columns = dict[str, list[float]]


class MovesState(msgspec.Struct):
    """Markets in the order of their numbers, and the columns of `VolatilityBook.kept` and of
    `kept_tracks`; a state without the latter is of an older version."""

    markets: list[Key]
    columns: Columns
    tracks: Columns = {}


_decoder = msgspec.json.Decoder(MovesState)


def encode_state(markets: list[Key], columns: Columns, tracks: Columns) -> bytes:
    """Return what `read_state` reads."""
    return msgspec.json.encode(MovesState(markets, columns, tracks))


def read_state(kept: KeptVolatility | None) -> MovesState:
    """Return what was kept; nothing where that cannot be read."""
    nothing = MovesState([], VolatilityBook().kept(0))
    if kept is None:
        return nothing
    try:
        state = _decoder.decode(kept.state)
    except msgspec.DecodeError as error:
        _log.error("the volatility that was kept cannot be read: %s", error)
        return nothing
    lengths = {name: len(state.columns.get(name, ())) for name in nothing.columns}
    if set(lengths.values()) != {len(state.markets)}:
        _log.error("the volatility that was kept is another version's: it starts anew")
        return nothing
    return state
