"""What a reader hands on: documents that the service takes, and what it refused, with the place."""

from dataclasses import dataclass, field

from service.contract.instruments import InstrumentDocument
from service.contract.names import Venue


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a symbol is not imported.

    `place` says where in its table or document ("tier 4", "contractSize"), or is empty.
    """

    venue: str
    symbol: str
    place: str
    code: str
    detail: str

    def __str__(self) -> str:
        where = " ".join(part for part in (self.venue, self.symbol, self.place) if part)
        return f"{where}: {self.detail} ({self.code})"


@dataclass(frozen=True, slots=True)
class Reading:
    """All that one source says: good documents, refusals, and remarks on what was understood how.

    `keeps_terms`: the source knows no `takerFee` and no `tiering`, so stored ones stay.
    """

    documents: list[InstrumentDocument] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    keeps_terms: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator says of a source: whose it is, in which unit, which symbols of it."""

    venue: Venue | None = None
    tier_unit: str | None = None
    symbols: tuple[str, ...] = ()

    def wants(self, symbol: str) -> bool:
        """Whether this symbol is asked for; without a list, every one is."""
        return not self.symbols or symbol in self.symbols
