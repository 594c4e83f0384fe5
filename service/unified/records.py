"""What is read of ccxt's objects: an account's document, and what was understood how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.contract.accounts import AccountDocument
from service.contract.positions import MarginMode
from service.errors import Fault

CollateralMode = Literal["single", "multi"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What ccxt's objects do not say of an account and its owner may.

    `margin_mode` is that of positions which do not say; `weights` are haircuts by asset, of
    accounts whose assets back one another.
    """

    collateral_mode: CollateralMode | None = None
    margin_mode: MarginMode | None = None
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was worked out, or left out: where, a stable code, a sentence."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class AccountReading:
    """An account as this service keeps it. `document.positions` have their marks, where known.

    `places`: where each of them stood in what was given; closed ones are left out.
    """

    document: AccountDocument
    remarks: list[Remark]
    places: list[int]


class NotRead(Exception):
    """Why an object cannot be read: a place below it, a stable code, a sentence."""

    def __init__(self, place: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.place, self.code, self.detail = place, code, detail

    def fault(self, pointer: str) -> Fault:
        """Return it as the contract's fault, of an object that stands at `pointer`."""
        return Fault(pointer + self.place, self.code, self.detail)
