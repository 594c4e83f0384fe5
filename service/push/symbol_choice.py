"""Which symbols a client asks for: by name, by a beginning, or all."""

from collections.abc import Iterable


class SymbolChoice:
    """Symbols, and beginnings that end with `*`; None: all. `beginnings` says how many."""

    def __init__(self, wanted: Iterable[str] | None) -> None:
        named = frozenset(("*",) if wanted is None else wanted)
        self._exact = frozenset(each for each in named if not each.endswith("*"))
        self._beginnings = tuple(each[:-1] for each in named - self._exact)
        self.beginnings = len(self._beginnings)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._exact or symbol.startswith(self._beginnings)
