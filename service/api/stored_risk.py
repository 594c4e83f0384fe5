"""Stored accounts, evaluated at the marks as they are now: for a call, or for who watches them."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, get_args

import msgspec
from msgspec import structs

from service.api.answers import Examination, answer_accounts
from service.api.follower import MarketFollower
from service.api.weaving import each
from service.contract.accounts import decode_account
from service.contract.alerts import LevelName, PoolState, decode_states, pool_key
from service.contract.evaluation import AccountAnswer
from service.contract.results import RiskAnswer
from service.contract.states import KnownAccount
from service.contract.stored import read_statements
from service.errors import StoreUnavailable
from service.risk.markets import MarketTable
from service.risk.model import Account, PoolKey

_decoder = msgspec.json.Decoder(AccountAnswer)
_LEVELS: tuple[LevelName, ...] = get_args(LevelName)

# Given what makes records of the accounts, returns who is to say more of them, if anybody is.
Examine: TypeAlias = Callable[[Callable[[], Sequence[Account]]], Examination | None]


def judge_stored(
    follower: MarketFollower,
    known: Sequence[KnownAccount],
    examine: Examine = lambda _: None,
) -> list[RiskAnswer | None]:
    """Return each account's answer; None where a figure is too large for a number.

    Raises StoreUnavailable before the markets are known, and what `examine` raises.
    """
    if not follower.known:
        raise StoreUnavailable("the markets are not known yet")
    answers: list[RiskAnswer | None] = [None] * len(known)
    given, unread = read_statements([stored.doc for stored in known])  # of another version
    places = [place for place in range(len(known)) if place not in unread]
    monitored = [_states(known[place]) for place in places]
    standing = [_standing(states) for states in monitored]
    names, table = [known[place].account_id for place in places], MarketTable(follower.table)
    kept = [known[place] for place in places]
    found = answer_accounts(
        each(names),
        given,
        table,
        follower.clock_ms(),
        standing=standing,
        examination=examine(partial(_records, kept)),
    )
    now_ms, left_out = int(time.time() * 1_000), set(found.left_out)
    for row, place in enumerate(places):
        if row in left_out:
            continue
        answer = _decoder.decode(found.texts.text(row))
        answers[place] = RiskAnswer(
            **structs.asdict(answer),
            timestamp=now_ms,
            version=known[place].version,
            monitored=monitored[row],
        )
    return answers


def _records(known: Sequence[KnownAccount]) -> list[Account]:
    return [decode_account(stored.doc, stored.account_id) for stored in known]


def _states(stored: KnownAccount) -> list[PoolState]:
    return [] if stored.states is None else decode_states(stored.states)


def _standing(states: Sequence[PoolState]) -> Mapping[PoolKey, int]:
    return {pool_key(state.pool): _LEVELS.index(state.level) for state in states}
