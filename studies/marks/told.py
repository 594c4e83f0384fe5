"""What the study of marks says, as tables of a document."""

from collections.abc import Iterator

from studies.marks.study import INDEX, LAST, Study
from studies.marks.tape import RULE
from studies.marks.wicks import furthest_alone, furthest_when_agreed, wicks

WICKS = 8


def told(study: Study) -> str:
    """Return the tables and the sentence about the bounds."""
    return "\n".join([*_wicks(study), "", *_bounds(study), "", *_liquidated(study)])


def _wicks(study: Study) -> Iterator[str]:
    yield "| source | its low, since the start | below all others | index then | own mark |"
    yield "|---|---|---|---|---|"
    for wick in wicks(study.marked)[:WICKS]:
        facts = (wick.since_entry, wick.depth, wick.index_then, wick.mark_then)
        cells = " | ".join(f"{100.0 * fact:+.1f} %" for fact in facts)
        yield f"| {wick.source} {wick.coin} | {cells} |"


def _bounds(study: Study) -> Iterator[str]:
    moments, coins = study.marked.index.shape
    alone = 100.0 * furthest_alone(study.marked)
    agreed = 100.0 * furthest_when_agreed(study.marked)
    yield (
        f"Over {moments:,} moments of {coins} coins one source alone never moved an index by more "
        f"than {alone:.2f} % (the band is {100.0 * RULE.band:g} %) beyond where it was and what "
        f"another fresh source said; and wherever all fresh sources agreed, the index was within "
        f"{agreed:.2f} % of them at that very moment."
    )


def _liquidated(study: Study) -> Iterator[str]:
    traders = len(study.fates[LAST].second)
    yield f"| mark | of {traders:,} accounts liquidated | not on the index | on the index alone |"
    yield "|---|---|---|---|"
    for basis in study.marks:
        shares = (study.share(basis), study.alone(basis, INDEX), study.alone(INDEX, basis))
        yield f"| {basis} | {' | '.join(f'{100.0 * share:.1f} %' for share in shares)} |"
