"""Query parameters read strictly: unknown, repeated or malformed ones are refused."""

from collections.abc import Collection
from typing import NoReturn

from fastapi import Request

from service.api.documents import query_parameter
from service.contract.names import VENUES
from service.errors import Fault, InvalidInput

TEXT_MAX = 20_000  # a cursor over a thousand shards fits
MARKET_PARAMETERS = (
    query_parameter("venue", "Only this venue's.", "binance", type="string", enum=list(VENUES)),
    query_parameter("symbol", "Only this symbol's.", "BTC/USDT:USDT", type="string"),
)


class Query:
    """The parameters of one request, of which only `allowed` may be there."""

    def __init__(self, request: Request, *allowed: str) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in allowed:
                _refuse("", "unknown_parameter", f"the parameters are {', '.join(allowed)}")
            if name in self._values:
                _refuse(name, "repeated_parameter", "this parameter is given twice")
            if len(value) > TEXT_MAX:
                _refuse(name, "invalid_length", "this parameter is too long")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """Return a parameter; absent and empty are the same."""
        return self._values.get(name) or None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number within [low, high]."""
        text = self._values.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            _refuse(name, "not_a_number", "expected a whole number")
        value = int(text)
        if not low <= value <= high:
            _refuse(name, "out_of_range", f"the number must be {low} to {high}")
        return value

    def one_of(self, name: str, values: Collection[str]) -> str | None:
        """Return a parameter that is one of `values`, or None where it is absent."""
        text = self._values.get(name)
        if text is not None and text not in values:
            _refuse(name, "invalid_value", f"one of {', '.join(values)}")
        return text


def asked_market(request: Request) -> tuple[str | None, str | None]:
    """Return the venue and the symbol that a request is for, as `MARKET_PARAMETERS` has them."""
    query = Query(request, "venue", "symbol")
    return query.one_of("venue", VENUES), query.text("symbol")


def _refuse(name: str, code: str, detail: str) -> NoReturn:
    raise InvalidInput.of(Fault(f"?{name}", code, detail))
