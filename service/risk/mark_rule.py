"""What is asked of a symbol's marks before they are believed; docs/marks.md says it in full."""

from dataclasses import asdict, dataclass
from typing import Any

_CAUTIOUS = (("degraded", "liquidate"), ("suspect", "call"), ("stale", "call"))


@dataclass(frozen=True, slots=True)
class MarkRule:
    """Rules of the gate. An instrument's own: None is as at the door that the marks come in by."""

    band: float | None = None  # a share of the price; a jump beyond it is held. 0: none is
    confirm_s: float | None = None  # a jump of a lone source is believed after so long
    confirm_marks: int | None = None  # and so many marks
    implausible_factor: float | None = None  # up or down by so much is a matter of scale
    implausible_s: float | None = None  # and must last longer
    warmup_marks: int | None = None  # at different times, before a stale symbol is believed again
    max_age_s: float | None = None  # without a mark for longer it is stale
    sources_min: int | None = None  # that must agree; with fewer it is degraded
    allows: tuple[tuple[str, str], ...] | None = None  # by quality, see quality.ALLOWED

    def document(self) -> dict[str, Any]:
        """Return what is given of it, as the contract names it."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        if self.allows is not None:
            given["allows"] = dict(self.allows)
        return {_camel(name): value for name, value in given.items()}


@dataclass(frozen=True, slots=True)
class OwnMark:
    """How a symbol's mark is made of what spot sources and its own book say (`service/marks`)."""

    sources: tuple[tuple[str, float], ...]  # spot sources by name, and their weights
    fresh_s: float = 10.0  # what a source said last counts for so long
    band: float = 0.03  # further from the others' median a source is dropped
    sources_min: int = 2  # with fewer fresh ones there is no mark
    confirm_s: float = 2.0  # a lone source's jump is believed after so long
    basis_s: float = 30.0  # the book's basis is averaged over so long
    basis_every_s: float = 1.0  # from a sample each
    divergence_max: float = 0.05  # the mark is never further from the index, as a share of it


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


# What is asked where nobody says more: that marks are in order, and not too old.
DOOR = MarkRule(0.0, 2.0, 3, 4.0, 60.0, 1, 10.0, 1, _CAUTIOUS)
