"""Where a service is, and what every connection to it has in common."""

from typing import Literal
from urllib.parse import urlsplit

# A frame of the service has at most 256 KiB unless its operator wants more.
FRAME_MAX_BYTES = 16 * 2**20
CLOSE_TIMEOUT_S = 1.0


class Endpoint:
    """A service's addresses and the header that its calls and streams carry."""

    def __init__(self, url: str, token: str | None, trust_env: bool) -> None:
        given = url if "://" in url else f"http://{url}"
        scheme, _, rest = given.rstrip("/").partition("://")
        if scheme not in ("http", "https") or not urlsplit(given).hostname:
            raise ValueError("the URL of a service is http://host or https://host")
        self.url = f"{scheme}://{rest}"
        self.stream_url = f"{scheme.replace('http', 'ws')}://{rest}/v1/stream"
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # What `trust_env` is to httpx: whether HTTP_PROXY and its like count.
        self.proxy: Literal[True] | None = True if trust_env else None
