"""Numbers as clients may write them: JSON numbers or decimal strings, finite always."""

import sys
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

LARGEST = sys.float_info.max
SMALLEST = 5e-324  # above 0
TIME_MAX_MS = 2**53 - 1  # the largest integer every JSON reader keeps exactly

# A comparison with a bound is false for NaN and for infinity, so the bounds are the finite check.
# `say_decimal` makes "number or string" of it; a string must be as JSON writes numbers.
_AS_TEXT = {
    "format": "decimal",
    "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$(?!\n)",
}

Number: TypeAlias = Annotated[
    float,
    Meta(ge=-LARGEST, le=LARGEST, description="A finite number.", extra_json_schema=_AS_TEXT),
]
Positive: TypeAlias = Annotated[
    float,
    Meta(gt=0.0, le=LARGEST, description="A finite number > 0.", extra_json_schema=_AS_TEXT),
]
NotNegative: TypeAlias = Annotated[
    float,
    Meta(ge=0.0, le=LARGEST, description="A finite number >= 0.", extra_json_schema=_AS_TEXT),
]
Fraction: TypeAlias = Annotated[
    float,
    Meta(ge=0.0, le=1.0, description="A fraction, 0 to 1.", extra_json_schema=_AS_TEXT),
]
MovePct: TypeAlias = Annotated[
    float,
    Meta(
        gt=-100.0,
        le=LARGEST,
        description="Percent of the mark before the scenario; above -100.",
        extra_json_schema=_AS_TEXT,
    ),
]
StepShare: TypeAlias = Annotated[
    float,
    Meta(ge=0.01, le=1.0, description="Of a position, at once.", extra_json_schema=_AS_TEXT),
]
DistancePct: TypeAlias = Annotated[
    float,
    Meta(
        gt=0.0,
        lt=100.0,
        description="Percent of the mark, against who closes.",
        extra_json_schema=_AS_TEXT,
    ),
]
Coefficient: TypeAlias = Annotated[
    float,
    Meta(
        ge=0.0,
        le=10.0,
        description="What a day's volume moves ln(price) by.",
        extra_json_schema=_AS_TEXT,
    ),
]
Milliseconds: TypeAlias = Annotated[
    int, Meta(ge=0, le=TIME_MAX_MS, description="Milliseconds, a whole number.")
]


def within(ge: float, le: float, description: str) -> Meta:
    """Return the rule of a number that has bounds of its own."""
    return Meta(ge=ge, le=le, description=description, extra_json_schema=_AS_TEXT)


def say_decimal(schema: dict[str, Any]) -> None:
    """Let a schema say "number or string" where it is of such a number, without the bounds that
    only mean "finite"."""
    if schema.get("format") == "decimal":
        schema["type"] = ["number", "string"]
        for bound in ("minimum", "maximum"):
            if abs(schema.get(bound, 0.0)) == LARGEST:
                del schema[bound]
