"""Insurance funds: what one holds, as a dict with the keys of the wire, and what is asked of it."""

from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from plimsoll.documents import Number, Venue


class Fund(TypedDict):
    """A fund as the operator knows it, in its asset."""

    balance: Number
    eventLimit: NotRequired[Number | None]


class SupposedFund(Fund):
    """What a venue's insurance fund holds of an asset; one not listed pays all it is asked."""

    venue: Venue
    asset: str


@dataclass(frozen=True, slots=True)
class StoredFund:
    """A fund with what is asked of it now: balance = free + claimed - missing.

    What cannot be known is None, with a `reason`; `pending` right after a write.
    """

    venue: Venue
    asset: str
    version: int
    updated_at: int
    balance: float
    event_limit: float | None
    claimed: float | None
    free: float | None
    missing: float | None
    over_limit: float | None
    expected_contribution: float | None
    claims: int | None
    liquidations: int | None
    unpriced: int | None
    market_id: int | None
    as_of: int | None
    reason: Literal["out_of_date", "pending", "too_large"] | None


@dataclass(frozen=True, slots=True)
class FundList:
    """All funds, by venue and asset."""

    funds: list[StoredFund]


@dataclass(frozen=True, slots=True)
class WrittenFund:
    """What a write made."""

    venue: Venue
    asset: str
    version: int
