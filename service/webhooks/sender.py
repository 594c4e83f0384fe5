"""One call to a receiver: signed bytes out, and little read of what comes back."""

import asyncio
import email.utils
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpcore

from service.webhooks.addresses import AddressRefused, GuardedNetwork, Resolve, system_resolver

_ANSWER_BYTES_MAX = 4_096  # a longer one costs the receiver its connection, and us nothing
_IDLE_S = 30.0
_USER_AGENT = "Plimsoll-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Rules:
    """Where calls may go, and for how long."""

    allow_http: bool = False
    allow_private: bool = False
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: `error` is empty when it was taken."""

    error: str = ""
    retry_after_s: float = 0.0


class Sender:
    """Calls receivers; no redirect is followed, no proxy asked, no cookie kept."""

    def __init__(self, rules: Rules, resolve: Resolve | None = None) -> None:
        self._rules = rules
        network = GuardedNetwork(resolve or system_resolver(), allow_private=rules.allow_private)
        tls: ssl.SSLContext = httpcore.default_ssl_context()
        # No limit of connections: one that all share would let slow receivers hold up others.
        self._pool = httpcore.AsyncConnectionPool(
            tls, max_connections=None, keepalive_expiry=_IDLE_S, network_backend=network
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._pool.__aexit__(kind, error, traceback)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Outcome:
        """Call once; whatever goes wrong is an outcome, in words that quote nothing."""
        if not (url.startswith("https://") or self._rules.allow_http):
            return Outcome("the URL is not https")
        sent = {"content-type": "application/json", "user-agent": _USER_AGENT, **headers}
        pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
        try:
            async with asyncio.timeout(self._rules.timeout_s):
                return await self._exchange(url, pairs, body)
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome(f"no answer within {self._rules.timeout_s:g} s")
        except AddressRefused as error:
            return Outcome(str(error))
        except httpcore.ConnectError:
            return Outcome("cannot be reached, or has no trusted certificate")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return Outcome("the connection broke")

    async def _exchange(self, url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Outcome:
        async with self._pool.stream("POST", url, headers=headers, content=body) as response:
            read = 0
            async for chunk in response.aiter_stream():
                read += len(chunk)
                if read > _ANSWER_BYTES_MAX:
                    break
        if 200 <= response.status < 300:
            return Outcome()
        given = {name.lower(): value for name, value in response.headers}.get(b"retry-after", b"")
        return Outcome(f"answered {response.status}", _seconds(given.decode("latin-1")))


def _seconds(retry_after: str) -> float:
    """Return how long `Retry-After` asks to wait: seconds or a date; 0 for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        until = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, until.timestamp() - time.time())
