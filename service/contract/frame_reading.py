"""A client's frame, from its text: what it is, or why it is refused."""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from service.contract.frames import (
    CLIENT_FRAMES,
    SUBSCRIPTION_ID_MAX,
    ClientFrame,
    ErrorCode,
    ErrorFrame,
)


class FrameRefused(Exception):
    """A client frame that is answered by an error frame; the connection goes on."""

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        subscription_id: str | None = None,
        *,
        alert: str | UnsetType = UNSET,
    ) -> None:
        super().__init__(detail)
        named = UNSET if subscription_id is None else subscription_id
        self.frame = ErrorFrame(code, detail, named, alert)


class _Opening(Struct, frozen=True):
    """Enough of a frame to know what it wants to be."""

    op: str
    id: Any = None


_OPENING = msgspec.json.Decoder(_Opening)
_DECODERS: dict[str, msgspec.json.Decoder[ClientFrame]] = {
    str(frame.__struct_config__.tag): msgspec.json.Decoder(frame) for frame in CLIENT_FRAMES
}


def decode_client_frame(text: str) -> ClientFrame:
    """Return the frame. Raises FrameRefused; nothing the client wrote is echoed but its `id`."""
    try:
        raw = text.encode()
        opening = _OPENING.decode(raw)
    except msgspec.ValidationError:
        raise FrameRefused("invalid_frame", 'a frame is an object with a string "op"') from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise FrameRefused("malformed_frame", "not a JSON document") from None
    named = own_id(opening.id)
    decoder = _DECODERS.get(opening.op)
    if decoder is None:
        known = ", ".join(_DECODERS)
        raise FrameRefused("unknown_op", f"known ops: {known}", named)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise FrameRefused("invalid_frame", _reason(error), named) from None
    except (msgspec.DecodeError, RecursionError):
        raise FrameRefused("malformed_frame", "not a JSON document", named) from None


def own_id(given: object) -> str | None:
    """Return the id that a client gave a frame, None where it is no good one."""
    if isinstance(given, str) and 1 <= len(given) <= SUBSCRIPTION_ID_MAX:
        return given
    return None


def _reason(error: msgspec.ValidationError) -> str:
    """Return where the frame is wrong, without the wrong value that the library quotes."""
    message = str(error)
    if message.startswith(("Invalid enum value", "Invalid value")):
        return "Invalid value" + message[message.rfind(" - at") :]
    return message
