"""What one import found, changed and was refused: in lines for people, as JSON for programs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from service.contract.problems import ItemResult
from service.imports.changes import Change, Comparison, Key
from service.imports.records import Reading


@dataclass(frozen=True, slots=True)
class Outcome:
    """One import: what was read, how it differs from what is stored, what became of each item."""

    reading: Reading
    comparison: Comparison
    results: dict[Key, ItemResult] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether nothing was refused, neither here nor by the service."""
        return not self.reading.refusals and all(
            result.status == "ok" for result in self.results.values()
        )

    def difference(self) -> Iterable[str]:
        """Yield what would be written, what is not imported and why, and the sums."""
        for change in self.comparison.changes:
            if change.is_new:
                yield f"+ {change.name}: {change.lines[0]}"
                continue
            yield f"~ {change.name}"
            yield from (f"    {line}" for line in change.lines)
        yield from self.reading.remarks
        yield from (f"! {refusal}" for refusal in self.reading.refusals)
        new = sum(change.is_new for change in self.comparison.changes)
        yield (
            f"{new} new, {len(self.comparison.changes) - new} changed, "
            f"{self.comparison.unchanged} unchanged, {len(self.reading.refusals)} refused, "
            f"{self.comparison.absent} stored that the source has not (they stay)"
        )

    def written(self) -> Iterable[str]:
        """Yield what became of each item."""
        for change in self.comparison.changes:
            result = self.results.get(change.key)
            if result is None:
                yield f"  {change.name}: not written"
            elif result.status == "ok":
                yield f"  {change.name}: written as market entry {result.market_id}"
            else:
                why = "; ".join(f"{one.pointer} {one.detail} ({one.code})" for one in result.errors)
                yield f"! {change.name}: refused by the service: {why}"
        good = sum(result.status == "ok" for result in self.results.values())
        yield f"{good} of {len(self.comparison.changes)} written"

    def json(self) -> bytes:
        """Return all of it as one JSON object."""
        return msgspec.json.encode(
            {
                "changes": [self._change(change) for change in self.comparison.changes],
                "unchanged": self.comparison.unchanged,
                "absent": self.comparison.absent,
                "refused": self.reading.refusals,
                "remarks": self.reading.remarks,
            }
        )

    def _change(self, change: Change) -> dict[str, object]:
        result = self.results.get(change.key)
        return {
            "venue": change.key[0],
            "symbol": change.key[1],
            "new": change.is_new,
            "lines": change.lines,
            "status": "not_written" if result is None else result.status,
            "marketId": None if result is None else result.market_id,
            "errors": [] if result is None else result.errors,
        }
