"""What an error looks like on the wire: RFC 9457 `application/problem+json` with a stable `code`."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from service.errors import Fault

ERRORS_LISTED_MAX = 10


class FaultAnswer(Struct):
    """One thing wrong with the input."""

    pointer: Annotated[str, Meta(description="JSON pointer (RFC 6901) into the body.")]
    code: Annotated[str, Meta(description="For programs; never changes its meaning.")]
    detail: Annotated[str, Meta(description="For people.")]


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


def fault_answers(faults: tuple[Fault, ...] | list[Fault]) -> list[FaultAnswer]:
    """Return faults as the wire has them."""
    return [FaultAnswer(fault.pointer, fault.code, fault.detail) for fault in faults]
