"""What the store uses of redis-py.

redis-py imports OpenTelemetry wherever that is installed, for figures that we never have it make: a
fifth of a second at each start of a service, over its processes. So to redis-py it is not there.
"""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _without(package: str) -> Iterator[None]:
    """Let a package that nobody has imported yet look as if it were not installed."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with _without("opentelemetry"):
    from redis.asyncio import Redis
    from redis.asyncio.connection import (
        AbstractConnection,
        ConnectionPool,
        SSLConnection,
        parse_url,
    )
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
    from redis.exceptions import (
        AskError,
        ConnectionError,
        MovedError,
        NoScriptError,
        RedisError,
        ResponseError,
        TryAgainError,
    )

__all__ = [
    "REDIS_CLUSTER_HASH_SLOTS",
    "AbstractConnection",
    "AskError",
    "ConnectionError",
    "ConnectionPool",
    "MovedError",
    "NoBackoff",
    "NoScriptError",
    "Redis",
    "RedisError",
    "ResponseError",
    "Retry",
    "SSLConnection",
    "TryAgainError",
    "key_slot",
    "parse_url",
]
