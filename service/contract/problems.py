"""What an error looks like on the wire: RFC 9457 problem+json with a stable `code`."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.errors import Fault

ERRORS_LISTED_MAX = 10


class FaultAnswer(Struct):
    """One thing wrong with the input."""

    pointer: Annotated[str, Meta(description="JSON pointer (RFC 6901) into the body.")]
    code: Annotated[str, Meta(description="For programs; never changes its meaning.")]
    detail: Annotated[str, Meta(description="For people.")]


class ItemResult(Struct, rename="camel", omit_defaults=True):
    """What became of one item of a list; `errors` says why it was refused."""

    index: int
    status: Literal["ok", "refused"]
    id: str | None = None
    version: Annotated[int, Meta(description="Of the account as it is now.")] | None = None
    market_id: (
        Annotated[int, Meta(description="Where the item stands in the market stream.")] | None
    ) = None
    errors: list[FaultAnswer] = msgspec.field(default_factory=list)


class Problem(Struct, omit_defaults=True):
    """The body of every answer of 400 and above."""

    type: Annotated[str, Meta(description="`urn:plimsoll:problem:` and the code.")]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    code: Annotated[str, Meta(description="For programs; never changes its meaning.")]
    detail: Annotated[str, Meta(description="For people.")]
    errors: Annotated[
        list[FaultAnswer], Meta(description="At most ten.", max_length=ERRORS_LISTED_MAX)
    ] = msgspec.field(default_factory=list)
    results: Annotated[
        list[ItemResult], Meta(description="Of a list of which nothing was taken: by item.")
    ] = msgspec.field(default_factory=list)


def fault_answers(faults: Iterable[Fault]) -> list[FaultAnswer]:
    """Return faults as the wire has them."""
    return [FaultAnswer(fault.pointer, fault.code, fault.detail) for fault in faults]


def refused(index: int, faults: Sequence[Fault], name: str | None = None) -> ItemResult:
    """Return the result of an item that was not taken."""
    return ItemResult(index, "refused", id=name, errors=fault_answers(faults))
