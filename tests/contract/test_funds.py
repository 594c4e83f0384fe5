"""A fund as it is shown: what all shards ask, or why that is not known."""

import pytest

from service.contract.funds import (
    CURRENT_MS,
    FundAsked,
    FundDocument,
    FundView,
    ShardSaid,
    encode_asked,
    encode_fund,
    fund_view,
    read_asked,
    read_fund,
)

NAME = ("okx", "USDT")
NOW_MS = 1_000_000


def asked(claimed: float | None = 0.0, limit: float | None = None) -> FundAsked:
    return FundAsked(*NAME, limit, claimed, 0.5, 2.0, 1, 3, 0)


def said(*rows: FundAsked, age_ms: int = 0, market_id: int = 9) -> ShardSaid:
    return ShardSaid(market_id, NOW_MS - age_ms, read_asked(encode_asked(rows)))


def shown(*shards: ShardSaid | None, balance: float = 10.0, limit: float | None = None) -> FundView:
    fund = read_fund(encode_fund(FundDocument(balance, limit), 5))
    return fund_view(NAME, 3, fund, shards, NOW_MS)


@pytest.mark.parametrize(
    ("claimed", "free", "missing"), [(0.0, 10.0, 0.0), (10.0, 0.0, 0.0), (10.5, 0.0, 0.5)]
)
def test_shards_are_added_up_and_taken_off(claimed: float, free: float, missing: float) -> None:
    view = shown(said(asked(claimed), market_id=8), said(asked(0.0), age_ms=4))
    assert (view.claimed, view.free, view.missing) == (claimed, free, missing)
    assert view.balance == free + claimed - missing
    assert (view.over_limit, view.expected_contribution) == (1.0, 4.0)
    assert (view.claims, view.liquidations, view.unpriced) == (2, 6, 0)
    assert (view.market_id, view.as_of, view.reason) == (8, NOW_MS - 4, None)


@pytest.mark.parametrize(
    ("shards", "reason"),
    [
        ((said(asked()), None), "pending"),
        ((said(asked()), said()), "pending"),
        ((said(asked()), said(asked(limit=4.0))), "pending"),
        ((said(asked()), said(asked(), age_ms=CURRENT_MS + 1)), "out_of_date"),
        ((said(asked(None)), said(asked())), "too_large"),
        ((said(asked(1.7e308)), said(asked(1.7e308))), "too_large"),
    ],
)
def test_what_is_not_known_is_null_with_a_reason(
    shards: tuple[ShardSaid | None, ...], reason: str
) -> None:
    view = shown(*shards)
    assert (view.claimed, view.free, view.missing) == (None, None, None)
    assert (view.reason, view.balance) == (reason, 10.0)


def test_a_word_of_ten_seconds_ago_is_current() -> None:
    assert shown(said(asked(), age_ms=CURRENT_MS)).reason is None
    assert shown(said(asked(limit=4.0)), limit=4.0).reason is None
