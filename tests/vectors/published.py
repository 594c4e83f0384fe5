"""The numbers that venues and users published: from the shared vectors where they are."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = (
    "liquidation_price",
    "bankruptcy_price",
    "maintenance_margin",
    "initial_margin",
    "margin_ratio",
    "liquidatable",
    "pnl",
    "tiers",
    "insurance_fund",
    "liquidation_waterfall",
    "partial_liquidation",
    "liquidation_execution_price",
    "adl",
    "risk_ordering",
    "gap_loss",
    "socialised_loss",
    "collateral_haircut",
    "liquidation_fee",
    "funding",
    "margin_call",
)


@dataclass(frozen=True, slots=True)
class Vector:
    """One published case: what was held, what the venue said of it."""

    id: str
    venue: str
    kind: str
    contract: str
    margin_mode: str
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]
    tolerance: Mapping[str, float]

    @property
    def is_inverse(self) -> bool:
        return self.contract == "inverse"

    @property
    def is_cross(self) -> bool:
        return self.margin_mode == "cross"

    def first(self, *names: str) -> Any:
        """The first of these inputs that was given, or None."""
        return next((self.inputs[name] for name in names if name in self.inputs), None)

    def agrees(self, found: float | bool, expected: float | bool) -> bool:
        allowed = self.tolerance.get("abs", 0.0)
        allowed = max(allowed, self.tolerance.get("rel", 0.0) * abs(expected))
        return abs(found - expected) <= allowed


def shared_folder() -> Path:
    """Where the vectors and tables are, if they are: PLIMSOLL_SHARED, else beside the clone."""
    given = os.environ.get("PLIMSOLL_SHARED")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared"


def vectors() -> list[Vector]:
    """All vectors of the kinds that apply; empty where the file is not there."""
    path = shared_folder() / "vectors" / "venue_vectors.json"
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    return [
        Vector(
            row["id"],
            row["venue"],
            row["kind"],
            row["contract"],
            row["margin_mode"],
            row["inputs"],
            row["expected"],
            row["tolerance"],
        )
        for row in rows
        if row["kind"] in KINDS
    ]
