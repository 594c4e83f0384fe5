"""What an import would change of what is stored: new instruments, and changed ones line by line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from service.contract.instruments import InstrumentDocument, TierDocument
from service.imports.records import Reading, Refusal

Key = tuple[str, str]  # venue, symbol

# In the order of a document, with its own names; venue and symbol are the key.
_TERMS = (
    "linear",
    "contractSize",
    "base",
    "quote",
    "settle",
    "takerFee",
    "tiering",
    "tierUnit",
)
_OF_A_TIER = (
    "minNotional",
    "maxNotional",
    "maintenanceMarginRate",
    "maxLeverage",
    "maintenanceAmount",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One instrument to write: what is new about it, in lines (a new one: in one line)."""

    document: InstrumentDocument
    is_new: bool
    lines: tuple[str, ...]

    @property
    def key(self) -> Key:
        return _key(self.document)

    @property
    def name(self) -> str:
        return " ".join(self.key)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to write, how many are as they were, and how many stored ones the source has not.

    Those stay: an import never removes.
    """

    changes: list[Change]
    unchanged: int
    absent: int


def compare(stored: Iterable[InstrumentDocument], reading: Reading) -> Comparison:
    """Compare what was read with what is stored; two of one symbol are refused, both."""
    known = {_key(document): document for document in stored}
    found = _single(reading)
    changes, unchanged = [], 0
    for key, document in found.items():
        before = known.get(key)
        if before is None:
            changes.append(Change(document, True, (_summary(document),)))
            continue
        after = _with_terms_of(before, document) if reading.keeps_terms else document
        if after.mark_rule is None:  # no venue tells it: it stays the operator's
            after = msgspec.structs.replace(after, mark_rule=before.mark_rule)
        if after.own_mark is None:
            after = msgspec.structs.replace(after, own_mark=before.own_mark)
        if before == after:
            unchanged += 1
        else:
            changes.append(Change(after, False, tuple(_differences(before, after))))
    venues = {venue for venue, _ in found}
    absent = sum(key[0] in venues and key not in found for key in known)
    return Comparison(changes, unchanged, absent)


def _single(reading: Reading) -> dict[Key, InstrumentDocument]:
    found: dict[Key, InstrumentDocument] = {}
    doubled: set[Key] = set()
    for document in reading.documents:
        key = _key(document)
        doubled |= {key} & found.keys()
        found[key] = document
    for venue, symbol in sorted(doubled):
        del found[venue, symbol]
        detail = "listed more than once"
        reading.refusals.append(Refusal(venue, symbol, "symbol", "duplicate_instrument", detail))
    return found


def _key(document: InstrumentDocument) -> Key:
    return document.venue or "generic", document.symbol


def _with_terms_of(before: InstrumentDocument, document: InstrumentDocument) -> InstrumentDocument:
    """Keep what an operator has said and such a source does not know."""
    return msgspec.structs.replace(document, taker_fee=before.taker_fee, tiering=before.tiering)


def _summary(document: InstrumentDocument) -> str:
    first, last = document.tiers[0], document.tiers[-1]
    kind = "linear" if document.linear else "inverse"
    most = "" if first.max_leverage is None else f", at most {first.max_leverage:g}x"
    return (
        f"{kind}, {document.contract_size:g} a contract, {len(document.tiers)} tiers, "
        f"{100.0 * first.maintenance_margin_rate:g} % to "
        f"{100.0 * last.maintenance_margin_rate:g} %{most}"
    )


def _differences(before: InstrumentDocument, after: InstrumentDocument) -> Iterable[str]:
    yield from _of_fields("", msgspec.to_builtins(before), msgspec.to_builtins(after), _TERMS)
    for place in range(max(len(before.tiers), len(after.tiers))):
        where = f"tier {place + 1}"
        if place >= len(after.tiers):
            yield f"{where} is gone: {_tier(before.tiers[place])}"
        elif place >= len(before.tiers):
            yield f"{where} is new: {_tier(after.tiers[place])}"
        else:
            old, new = (msgspec.to_builtins(of.tiers[place]) for of in (before, after))
            yield from _of_fields(f"{where} ", old, new, _OF_A_TIER)


def _of_fields(
    where: str, old: Mapping[str, object], new: Mapping[str, object], names: Iterable[str]
) -> Iterable[str]:
    for name in names:
        if old.get(name) != new.get(name):
            yield f"{where}{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}"


def _tier(tier: TierDocument) -> str:
    cap = "the top" if tier.max_notional is None else _shown(tier.max_notional)
    rate = _shown(tier.maintenance_margin_rate)
    return f"{_shown(tier.min_notional)} to {cap} at {rate}"


def _shown(value: object) -> str:
    """Write a number in full: a diff that rounds could show two equal numbers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "none" if value is None else str(value)
