"""ccxt's classes with WebSockets, as account sync and feeds use them; imported where they run.

An import takes a second and a hundred megabytes: only processes of their own do it.
"""

import importlib
import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from service.errors import InvalidInput
from service.imports.from_ccxt import INSTALL, TIMEOUT_MS, keep_ccxt_quiet

# Only these markets are asked for: spot pairs and options are margined by other rules.
_MARKETS: dict[str, dict[str, object]] = {
    "bitget": {"types": ["swap"]},
    "bybit": {"types": ["linear", "inverse"]},
    "gate": {"types": ["swap"]},
    "gateio": {"types": ["swap"]},
    "hyperliquid": {"types": ["swap"]},
    "okx": {"types": ["swap", "future"]},
}


def check_installed() -> None:
    """Raise InvalidInput where ccxt is not there."""
    if importlib.util.find_spec("ccxt") is None:
        raise InvalidInput(INSTALL)


def opened(
    name: str, keys: Mapping[str, str], url: str | None = None, stream_url: str | None = None
) -> Any:
    """Return ccxt's object of a venue, at other hosts where those are given; to be closed."""
    check_installed()
    classes = importlib.import_module("ccxt.pro")
    keep_ccxt_quiet()
    if not hasattr(classes, name):
        raise InvalidInput(f"ccxt {classes.__version__} has no class {name} with WebSockets")
    options = {
        "defaultType": "swap",
        "fetchMargins": False,
        "fetchMarkets": _MARKETS.get(name, {}),
    }
    settings = {"timeout": TIMEOUT_MS, "enableRateLimit": True, "options": options}
    exchange = getattr(classes, name)({**settings, **keys})
    # Nothing here needs a list of coins, which some venues show to keys with more rights only.
    exchange.has["fetchCurrencies"] = False
    if url is not None:
        exchange.urls["api"] = pointed(exchange.urls["api"], url, stream_url)
    return exchange


def errors() -> Any:
    """Return the module of ccxt's errors."""
    return importlib.import_module("ccxt.base.errors")


def pointed(node: Any, url: str, stream_url: str | None) -> Any:
    """Return ccxt's table of URLs with other hosts; paths stay."""
    if isinstance(node, dict):
        return {name: pointed(below, url, stream_url) for name, below in node.items()}
    if not isinstance(node, str):
        return node
    if node.startswith("ws"):
        return re.sub(r"^wss?://[^/]+", stream_url or url.replace("http", "ws", 1), node)
    return re.sub(r"^https?://[^/]+", url, node)
