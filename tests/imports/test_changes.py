"""What an import would change: never what is the operator's and no venue's."""

import msgspec

from service.contract.instruments import InstrumentDocument, TierDocument
from service.contract.mark_rule import MarkRuleDocument, OwnMarkDocument
from service.imports.changes import compare
from service.imports.records import Reading

BTC = InstrumentDocument(
    "BTC/USDT:USDT", True, 1.0, "BTC", "USDT", "USDT", [TierDocument(0.0, 0.01)], "okx"
)
RULES = msgspec.structs.replace(
    BTC, mark_rule=MarkRuleDocument(band=0.1), own_mark=OwnMarkDocument({"coinbase": 1.0})
)


def reading_of(document: InstrumentDocument) -> Reading:
    reading = Reading()
    reading.documents.append(document)
    return reading


def test_an_import_leaves_the_rules_of_marks_alone() -> None:
    assert compare([RULES], reading_of(BTC)).unchanged == 1
    dearer = msgspec.structs.replace(BTC, tiers=[TierDocument(0.0, 0.02)])
    [change] = compare([RULES], reading_of(dearer)).changes
    assert (change.document.mark_rule, change.document.own_mark) == (
        RULES.mark_rule,
        RULES.own_mark,
    )
    assert change.document.tiers == dearer.tiers
