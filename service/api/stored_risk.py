"""Stored accounts, evaluated at the marks as they are now: for a call, or for who watches them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from service.api.answers import Examination, answer_accounts
from service.api.follower import MarketFollower
from service.contract.accounts import decode_account
from service.contract.alerts import LevelName, PoolState, decode_states, pool_key
from service.contract.results import RiskAnswer
from service.contract.states import KnownAccount
from service.errors import ServiceError, StoreUnavailable
from service.risk.markets import MarketTable
from service.risk.model import Account, PoolKey

_LEVELS: tuple[LevelName, ...] = get_args(LevelName)


def judge_stored(
    follower: MarketFollower,
    known: Sequence[KnownAccount],
    examine: Callable[[Sequence[Account]], Examination | None] = lambda _: None,
) -> list[RiskAnswer | None]:
    """Return each account's answer; None where a figure is too large for a number.

    Raises StoreUnavailable before the markets are known, and what `examine` raises.
    """
    if not follower.known:
        raise StoreUnavailable("the markets are not known yet")
    answers: list[RiskAnswer | None] = [None] * len(known)
    places, accounts = [], []
    for place, stored in enumerate(known):
        account = _read(stored)
        if account is not None:
            places.append(place)
            accounts.append(account)
    monitored = [_states(known[place]) for place in places]
    standing = [_standing(states) for states in monitored]
    table = MarketTable(follower.table)
    found, left_out = answer_accounts(
        accounts, table, follower.clock_ms(), standing, examination=examine(accounts)
    )
    told = [row for row in range(len(accounts)) if row not in set(left_out)]
    now_ms = int(time.time() * 1_000)
    for row, answer in zip(told, found, strict=True):
        fields = {field: getattr(answer, field) for field in answer.__struct_fields__}
        place = places[row]
        answers[place] = RiskAnswer(
            **fields, timestamp=now_ms, version=known[place].version, monitored=monitored[row]
        )
    return answers


def _read(stored: KnownAccount) -> Account | None:
    try:
        return decode_account(stored.doc, stored.account_id)
    except ServiceError:
        return None  # a service of another version wrote it


def _states(stored: KnownAccount) -> list[PoolState]:
    return [] if stored.states is None else decode_states(stored.states)


def _standing(states: Sequence[PoolState]) -> Mapping[PoolKey, int]:
    return {pool_key(state.pool): _LEVELS.index(state.level) for state in states}
