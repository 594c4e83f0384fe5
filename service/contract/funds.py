"""Insurance funds: what the operator says of one, what shards ask of it, and what is shown.

One rule for the money. `balance` is the operator's word and nobody else's: Plimsoll sees accounts,
it closes none, so it takes nothing out and puts nothing in. `claimed` is what the pools that are
beyond bankruptcy at this moment would take if they were closed at the mark: a pool's shortfall,
less a loan that stays the trader's, up to the limit an event. It is worked out anew from the pools
as they are, never added up over time: a pool that recovers, is closed or is paid for asks nothing
any more. Each pool is in one shard and each shard says its whole once, so none is counted twice.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.contract.alerts import Count, EpochMs, Number
from service.contract.names import Asset, Venue
from service.contract.numbers import NotNegative, Positive

CURRENT_MS = 10_000  # what a shard said longer ago than this is not what it asks now
Reason = Literal["pending", "out_of_date", "too_large"]


class FundDocument(Struct, rename="camel", omit_defaults=True):
    """A fund as the operator knows it, in its asset."""

    balance: NotNegative
    event_limit: (
        Annotated[Positive, Meta(description="Most it pays for one pool; no limit where absent.")]
        | None
    ) = None


class StoredFundDocument(FundDocument, rename="camel", omit_defaults=True, kw_only=True):
    """The same as it is stored."""

    updated_at: EpochMs


class FundAsked(Struct, array_like=True, frozen=True):
    """What one shard's pools ask of one fund, at the limit that its owner knew.

    Money is None where it is too large for a number.
    """

    venue: str
    asset: str
    event_limit: float | None
    claimed: float | None
    over_limit: float | None
    contribution: float | None
    claims: int
    liquidations: int
    unpriced: int


class ShardSaid(Struct, frozen=True):
    """What a shard said last, and as of when."""

    market_id: int
    at_ms: int
    asked: list[FundAsked]


class FundView(Struct, rename="camel", frozen=True):
    """A fund with what is asked of it now.

    balance = free + claimed - missing. Money and counts that cannot be known are null, with a
    `reason`: `pending` (the monitors have not spoken since the fund, or its limit, was put),
    `out_of_date` (a shard has not spoken for ten seconds) or `too_large`.
    """

    venue: Venue
    asset: Asset
    version: Annotated[int, Meta(ge=1)]
    updated_at: EpochMs
    balance: Annotated[float, Meta(description="As it was put.")]
    event_limit: Number
    claimed: Annotated[Number, Meta(description="What pools beyond bankruptcy would take now.")]
    free: Annotated[Number, Meta(description="What no claim is on: 0 or more.")]
    missing: Annotated[Number, Meta(description="What is claimed beyond the balance.")]
    over_limit: Annotated[
        Number, Meta(description="What these pools lack beyond the limit of an event.")
    ]
    expected_contribution: Annotated[
        Number, Meta(description="What it would get of surpluses; in none of the others.")
    ]
    claims: Annotated[int | None, Meta(description="Pools beyond bankruptcy.")]
    liquidations: Annotated[int | None, Meta(description="Pools in liquidation with a surplus.")]
    unpriced: Annotated[
        int | None, Meta(description="Pools without a price: whether they ask is not known.")
    ]
    market_id: Annotated[int | None, Meta(description="As of here at least.")]
    as_of: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="When the last shard spoke, epoch ms.")
    ]
    reason: Reason | None


class FundsView(Struct, frozen=True):
    """All funds, by venue and asset."""

    funds: list[FundView]


class WrittenFund(Struct, frozen=True):
    """What a write made."""

    venue: Venue
    asset: Asset
    version: Count


_encoder = msgspec.json.Encoder()
_stored_decoder = msgspec.json.Decoder(StoredFundDocument)
_asked_decoder = msgspec.json.Decoder(list[FundAsked])


def encode_fund(fund: FundDocument, now_ms: int) -> bytes:
    """Write what the store keeps."""
    return _encoder.encode(StoredFundDocument(fund.balance, fund.event_limit, updated_at=now_ms))


def read_fund(stored: bytes) -> StoredFundDocument:
    return _stored_decoder.decode(stored)


def encode_asked(asked: Sequence[FundAsked]) -> bytes:
    """Write what a shard says."""
    return _encoder.encode(asked)


def read_asked(told: bytes) -> list[FundAsked]:
    return _asked_decoder.decode(told)


def fund_view(
    name: tuple[str, str],
    version: int,
    fund: StoredFundDocument,
    said: Sequence[ShardSaid | None],
    now_ms: int,
) -> FundView:
    """Return a fund with the sum of what every shard asks of it."""
    rows, reason = _asked_of(name, fund, said, now_ms)
    spoken = [one for one in said if one is not None]
    claimed = _sum([row.claimed for row in rows])
    over_limit = _sum([row.over_limit for row in rows])
    contribution = _sum([row.contribution for row in rows])
    if rows and (claimed is None or over_limit is None or contribution is None):
        reason = "too_large"
    return FundView(
        venue=name[0],  # type: ignore[arg-type]  # it was checked when the fund was put
        asset=name[1],
        version=version,
        updated_at=fund.updated_at,
        balance=fund.balance,
        event_limit=fund.event_limit,
        claimed=claimed,
        free=None if claimed is None else max(0.0, fund.balance - claimed),
        missing=None if claimed is None else max(0.0, claimed - fund.balance),
        over_limit=over_limit,
        expected_contribution=contribution,
        claims=sum(row.claims for row in rows) if rows else None,
        liquidations=sum(row.liquidations for row in rows) if rows else None,
        unpriced=sum(row.unpriced for row in rows) if rows else None,
        market_id=min((one.market_id for one in spoken), default=None),
        as_of=min((one.at_ms for one in spoken), default=None),
        reason=reason,
    )


def _asked_of(
    name: tuple[str, str],
    fund: StoredFundDocument,
    said: Sequence[ShardSaid | None],
    now_ms: int,
) -> tuple[list[FundAsked], Reason | None]:
    """Return every shard's row of a fund, or none and why they do not add up to what is asked."""
    rows = []
    for one in said:
        found = [row for row in one.asked if (row.venue, row.asset) == name] if one else []
        if not found or found[0].event_limit != fund.event_limit:
            return [], "pending"
        rows.append(found[0])
    if any(one is None or now_ms - one.at_ms > CURRENT_MS for one in said):
        return [], "out_of_date"
    return rows, None


def _sum(parts: Sequence[float | None]) -> float | None:
    """Return the sum; None where there is none, or it or a part is too large for a number."""
    known = [part for part in parts if part is not None]
    whole = sum(known)
    return whole if known and len(known) == len(parts) and math.isfinite(whole) else None
