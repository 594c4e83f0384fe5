"""The frames of `/v1/marks/stream`: marks in, each batch answered by where it stands."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from service.contract.frame_reading import FrameRefused, decode_client_frame, own_id
from service.contract.frames import (
    Auth,
    ClientFrame,
    ErrorFrame,
    Notice,
    Ping,
    Pong,
    ServerFrame,
    SubscriptionId,
)
from service.contract.mark_lists import MarkList, read_marks
from service.contract.marks import MarkDocument
from service.contract.problems import ItemResult
from service.errors import InvalidInput, MalformedBody, TooManyItems
from service.store.market_stream import MARKS_A_CALL

BATCH_MARKS_MAX = MARKS_A_CALL  # so that a batch is one call of the store: all of it or nothing


class MarkBatch(Struct):
    """Marks in the order they are to be taken, as `POST /v1/marks` takes them: each by itself. A
    frame without `op` is one. Answered by `taken`, or by an error when nothing of it was taken; the
    answers come in the order of the frames."""

    marks: Annotated[list[MarkDocument], Meta(min_length=1, max_length=BATCH_MARKS_MAX)]
    id: (
        Annotated[
            str, Meta(min_length=1, max_length=64, description="chosen by the client, for itself")
        ]
        | None
    ) = None


class Taken(ServerFrame, tag="taken"):
    """What became of a batch: it is in the market stream, up to `marketId`, which is null where no
    mark was taken. `refused` are the marks that were not, by their index, and why. `complete` is
    false while more frames follow that list refused marks of the same batch."""

    market_id: int | None
    accepted: int
    refused: list[ItemResult]
    complete: bool = True
    id: SubscriptionId | UnsetType = UNSET


# What a producer may send, and what it is sent.
PRODUCER_FRAMES: tuple[type[Struct], ...] = (MarkBatch, Ping, Auth)
PRODUCER_ANSWERS: tuple[type[ServerFrame], ...] = (Taken, Pong, Notice, ErrorFrame)


class Batch(Struct, frozen=True):
    """A batch as it was read."""

    id: str | None
    given: MarkList


class _Opening(Struct, frozen=True):
    """Enough of a frame to know what it is."""

    op: Any = None
    id: Any = None


_opening_decoder = msgspec.json.Decoder(_Opening)


def decode_producer_frame(text: str) -> ClientFrame | Batch:
    """Return the frame. Raises FrameRefused; nothing the client wrote is echoed but its `id`."""
    try:
        raw = text.encode()
        opening = _opening_decoder.decode(raw)
    except msgspec.ValidationError:
        raise FrameRefused("invalid_frame", "a frame is an object") from None
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise FrameRefused("malformed_frame", "not a JSON document") from None
    if opening.op is not None:
        return _order(text, opening)
    named = own_id(opening.id)
    if named is None and opening.id is not None:
        raise FrameRefused("invalid_frame", "`id` is a text of 1 to 64 characters")
    try:
        return Batch(named, read_marks(raw, BATCH_MARKS_MAX))
    except TooManyItems:
        detail = f"more than {BATCH_MARKS_MAX} marks in a frame"
        raise FrameRefused("too_many_items", detail, named) from None
    except InvalidInput as error:
        (fault,) = error.faults
        raise FrameRefused("invalid_frame", f"{fault.pointer}: {fault.detail}", named) from None
    except MalformedBody:
        raise FrameRefused("malformed_frame", "not a JSON document", named) from None


def _order(text: str, opening: _Opening) -> ClientFrame:
    """Return a frame that has an `op`."""
    frame = decode_client_frame(text)
    if not isinstance(frame, Ping | Auth):
        detail = "a batch of marks has no `op`; known ops: ping, auth"
        raise FrameRefused("unknown_op", detail, own_id(opening.id))
    return frame
