"""Stored accounts, judged: one at the newest marks, or all from a level up, worst first."""

import zlib
from typing import get_args

import msgspec
from fastapi import APIRouter, Request, Response

from service.api.account_documents import RISK, WORST
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import Query
from service.api.replies import json_reply, unchanged
from service.api.stored_risk import judge_stored
from service.contract.alerts import LevelName
from service.contract.names import check_account_id
from service.contract.questions import (
    WORST as WORST_KIND,
)
from service.contract.questions import (
    RankedPlace,
    WorstQuestion,
    decode_answer,
    decode_place,
    encode_place,
    encode_question,
)
from service.contract.results import RankedAccount, RankedAccounts
from service.contract.states import KnownAccount
from service.errors import InvalidInput, StoreUnavailable, UnknownAccount
from service.risk.model import Level
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog
from service.store.keys import split_tenant_key, tenant_key
from service.store.questions import Questions

_LEVELS: tuple[LevelName, ...] = get_args(LevelName)
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


def build_account_risk_router(
    entrance: Entrance,
    accounts: Accounts,
    log: AlertLog,
    questions: Questions,
    *,
    follower: MarketFollower,
    limits: Limits,
) -> APIRouter:
    """Build the routes that judge stored accounts."""
    router = APIRouter(prefix="/v1", tags=["accounts"])

    @router.get("/accounts/{account_id}/risk", response_class=Response, openapi_extra=RISK)
    async def get_risk(request: Request) -> Response:
        caller = await entrance.admit(request, "accounts:read")
        Query(request)
        name = check_account_id(request.path_params["account_id"])
        key = tenant_key(caller.tenant, name)
        found = await accounts.get(key)
        if found is None:
            raise UnknownAccount("there is no such account")
        states = (await log.levels_of([key])).get(key)
        if not follower.known:
            raise StoreUnavailable("the markets are not known yet")
        headers = _tag(found[1], follower.market_id, states)
        if (same := unchanged(request, headers)) is not None:
            return same
        (answer,) = judge_stored(follower, [KnownAccount(name, *found, states)])
        if answer is None:
            raise InvalidInput("a figure of this account is too large for a number")
        return json_reply(answer, headers)

    @router.get("/accounts", response_class=Response, openapi_extra=WORST)
    async def list_accounts(request: Request) -> Response:
        caller = await entrance.admit(request, "accounts:read")
        query = Query(request, "level", "limit", "cursor")
        level = query.one_of("level", Level.__members__) or Level.WARNING.name
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        cursor = query.text("cursor")
        after = None if cursor is None else decode_place(cursor)
        question = WorstQuestion(caller.tenant, Level[level].value, limit + 1, after)
        return json_reply(await _ranked(questions, question, limit, limits.ask_s))

    return router


def _tag(version: int, market_id: int, states: bytes | None) -> dict[str, str]:
    """Return the header that is the same while the figures are: ages and the clock go on."""
    return {"etag": f'W/"{version}-{market_id}-{zlib.crc32(states or b"")}"'}


async def _ranked(
    questions: Questions, question: WorstQuestion, limit: int, timeout_s: float
) -> RankedAccounts:
    """Merge what the monitors say; one account more than the page was asked for tells of a next."""
    found = await questions.ask(WORST_KIND, encode_question(question), timeout_s)
    try:
        # By account: a shard that changes hands just now may be answered for twice.
        by_account = {
            place.account_key: place for answer in found for place in decode_answer(answer)
        }
    except msgspec.DecodeError as error:
        raise StoreUnavailable("a monitor of another version answered") from error
    places = sorted(by_account.values(), key=RankedPlace.order)
    page = [
        RankedAccount(
            split_tenant_key(place.account_key)[1], _LEVELS[place.level], place.margin_ratio
        )
        for place in places[:limit]
    ]
    return RankedAccounts(page, encode_place(places[limit - 1]) if len(places) > limit else None)
