"""Signatures of Standard Webhooks: HMAC-SHA256 over id, time and body, with a secret of base64."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_PREFIX = "whsec_"


def new_secret() -> str:
    """Return a secret as receivers are given it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, delivery_id: str, timestamp_s: int, body: bytes) -> str:
    """Return one signature of a call."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b"%b.%d.%b" % (delivery_id.encode(), timestamp_s, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(
    good_secrets: Sequence[str], delivery_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the headers of a call, signed with every secret that is good."""
    signatures = [sign(secret, delivery_id, timestamp_s, body) for secret in good_secrets]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }


def good_secrets(stored: bytes, now_ms: int) -> list[str]:
    """Return the secrets that are good now, of what the store keeps."""
    current, *before = stored.decode().split(" ")
    return [current, before[0]] if before and now_ms < int(before[1]) else [current]
