"""What an operator asks of the marks of one instrument, beside what is asked of all."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from service.contract.names import Source
from service.contract.numbers import within
from service.contract.quality import AllowsName
from service.risk.mark_rule import MarkRule, OwnMark


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


class OwnMarkDocument(Struct, rename="camel", omit_defaults=True):
    """Marks of this symbol are not taken but made: posted marks whose `source` is named here are
    spot prices, all others are its book's (`lastPrice`, else `markPrice`) with its funding."""

    sources: Annotated[
        dict[Source, Annotated[float, within(0.001, 1_000.0, "Its weight.")]],
        Meta(min_length=1, max_length=16, description="Spot sources by name."),
    ]
    fresh_s: Annotated[float, within(0.1, 3_600.0, "What one said last counts so long.")] = 10.0
    band: Annotated[
        float, within(0.0001, 0.99, "Further from the median of all, as a share, it is dropped.")
    ] = 0.03
    sources_min: Annotated[
        int, Meta(ge=1, le=16, description="With fewer fresh ones there is no mark.")
    ] = 2
    confirm_s: Annotated[
        float, within(0.0, 3_600.0, "A lone one's jump is believed after so many seconds.")
    ] = 2.0
    basis_s: Annotated[float, within(1.0, 86_400.0, "The basis is averaged over so long.")] = 30.0
    basis_every_s: Annotated[float, within(0.25, 3_600.0, "From one sample each.")] = 1.0
    divergence_max: Annotated[
        float, within(0.0, 1.0, "The mark's largest distance from its index, as a share.")
    ] = 0.05


def to_own_mark(document: OwnMarkDocument) -> OwnMark:
    """Turn a document into the record."""
    return OwnMark(
        tuple(document.sources.items()),
        document.fresh_s,
        document.band,
        document.sources_min,
        document.confirm_s,
        document.basis_s,
        document.basis_every_s,
        document.divergence_max,
    )


def from_own_mark(own: OwnMark) -> OwnMarkDocument:
    """Turn the record back into the document."""
    return OwnMarkDocument(
        dict(own.sources),
        own.fresh_s,
        own.band,
        own.sources_min,
        own.confirm_s,
        own.basis_s,
        own.basis_every_s,
        own.divergence_max,
    )


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
