"""What an operator asks of the marks of one instrument, beside what is asked of all."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from service.contract.numbers import within
from service.contract.quality import AllowsName
from service.risk.mark_rule import MarkRule


class AllowedDocument(Struct, rename="camel", omit_defaults=True):
    """By quality what accounts may be raised to: `call` is "to MARGIN_CALL, not to LIQUIDATION".

    A stale mark liquidates nobody.
    """

    degraded: AllowsName | None = None
    suspect: AllowsName | None = None
    stale: Literal["evaluate", "warn", "call"] | None = None


class MarkRuleDocument(Struct, rename="camel", omit_defaults=True):
    """Rules of the mark gate for one instrument; what is absent is as the service is set."""

    band: (
        Annotated[
            float, within(0.0, 0.99, "A jump by a larger share of the price is held; 0: none is.")
        ]
        | None
    ) = None
    confirm_s: (
        Annotated[
            float, within(0.0, 3_600.0, "A lone source's jump is believed after so many seconds,")
        ]
        | None
    ) = None
    confirm_marks: Annotated[int, Meta(ge=1, le=1_000, description="and so many marks.")] | None = (
        None
    )
    implausible_factor: (
        Annotated[float, within(1.01, 1_000.0, "A jump up or down by so much must last longer:")]
        | None
    ) = None
    implausible_s: Annotated[float, within(0.0, 86_400.0, "so many seconds.")] | None = None
    warmup_marks: (
        Annotated[
            int,
            Meta(ge=1, le=1_000, description="Marks before a stale symbol is believed again."),
        ]
        | None
    ) = None
    max_age_s: (
        Annotated[float, within(0.001, 86_400.0, "Without a mark for longer it is stale.")] | None
    ) = None
    sources_min: (
        Annotated[
            int, Meta(ge=1, le=16, description="Sources that must agree; else it is degraded.")
        ]
        | None
    ) = None
    allows: AllowedDocument | None = None


def to_rule(document: MarkRuleDocument) -> MarkRule:
    """Turn a document into the gate's record."""
    allows = document.allows
    said = None if allows is None else allows.__struct_fields__
    words = [(quality, getattr(allows, quality)) for quality in said or ()]
    return MarkRule(
        document.band,
        document.confirm_s,
        document.confirm_marks,
        document.implausible_factor,
        document.implausible_s,
        document.warmup_marks,
        document.max_age_s,
        document.sources_min,
        None if said is None else tuple(word for word in words if word[1] is not None),
    )


def from_rule(rule: MarkRule) -> MarkRuleDocument:
    """Turn the record back into the document."""
    words: dict[str, Any] = dict(rule.allows or ())
    return MarkRuleDocument(
        rule.band,
        rule.confirm_s,
        rule.confirm_marks,
        rule.implausible_factor,
        rule.implausible_s,
        rule.warmup_marks,
        rule.max_age_s,
        rule.sources_min,
        None if rule.allows is None else AllowedDocument(**words),
    )
