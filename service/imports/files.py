"""A file of instruments: which of the known formats it is, by its shape alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from service.errors import InvalidInput
from service.imports.binance_brackets import VENUE, read_brackets
from service.imports.ccxt_tables import read_ccxt
from service.imports.listings import Json
from service.imports.records import Asked, Reading
from service.imports.tables import checked_document

FORMATS = (
    "none of the known formats: ccxt's fetch_leverage_tiers (freqtrade's file too), Binance's "
    "leverageBracket, or a list as GET /v1/instruments answers"
)


def read_json(file: Path) -> object:
    """Return what is in a file; raises InvalidInput for what is no JSON (NaN is none)."""
    try:
        content: object = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{file}: {error}") from None
    return content


def read_markets(file: Path | None) -> Json:
    """Return a dump of ccxt's `load_markets`, by symbol; nothing without a file."""
    if file is None:
        return {}
    content = read_json(file)
    if not isinstance(content, Mapping):
        raise InvalidInput(f"{file}: not what ccxt's load_markets gives, by symbol")
    return content


def read_file(file: Path, markets: Json, asked: Asked) -> Reading:
    """Read a file of any known format; raises InvalidInput for another, or without its venue."""
    return read_content(read_json(file), str(file), markets, asked)


def read_content(content: object, name: str, markets: Json, asked: Asked) -> Reading:
    """Read what a file had in it."""
    if isinstance(content, Mapping) and isinstance(content.get("instruments"), Sequence):
        content = content["instruments"]
    if isinstance(content, Mapping) and "brackets" in content:
        content = [content]
    if isinstance(content, Mapping) and any("/" in key for key in content):
        if asked.venue is None:
            raise InvalidInput(f"{name}: ccxt's tables do not say whose they are: give --venue")
        return read_ccxt(content, markets, asked.venue, asked)
    if isinstance(content, Sequence) and not isinstance(content, str) and content:
        if all(isinstance(item, Mapping) and "brackets" in item for item in content):
            if asked.venue not in (None, VENUE):
                raise InvalidInput(f"{name}: these are Binance's brackets, not {asked.venue}'s")
            return read_brackets(content, markets, asked)
        if all(isinstance(item, Mapping) and "tiers" in item for item in content):
            return _read_documents(content, asked)
    raise InvalidInput(f"{name}: {FORMATS}")


def _read_documents(items: Sequence[Json], asked: Asked) -> Reading:
    """Read documents of the service's own form, which say all their terms themselves."""
    reading = Reading(keeps_terms=False)
    for item in items:
        symbol = str(item.get("symbol", ""))
        own: Json = item if asked.venue is None else {"venue": asked.venue, **item}
        if not asked.wants(symbol):
            continue
        venue = str(own.get("venue", "generic"))
        document = checked_document(reading, venue, symbol, msgspec.json.encode(own))
        if document is not None:
            reading.documents.append(document)
    return reading
