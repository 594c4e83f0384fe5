"""Stored accounts, judged: one at the newest marks, or all from a level up, worst first."""

import time
from typing import get_args

import msgspec
from fastapi import APIRouter, Request, Response

from service.access.door import Door
from service.api.account_documents import RISK, WORST
from service.api.answers import answer_accounts
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import Query
from service.api.replies import etag, json_reply
from service.contract.accounts import decode_account
from service.contract.alerts import LevelName, decode_states, pool_key
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
from service.contract.results import RankedAccount, RankedAccounts, RiskAnswer
from service.errors import InvalidInput, StoreUnavailable, UnknownAccount
from service.risk.markets import MarketTable
from service.risk.model import Level
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog
from service.store.keys import account_id, account_key
from service.store.questions import Questions

_LEVELS: tuple[LevelName, ...] = get_args(LevelName)
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


def build_account_risk_router(
    door: Door,
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
        caller = await door.admit(request, "accounts:read")
        Query(request)
        name = check_account_id(request.path_params["account_id"])
        key = account_key(caller.tenant, name)
        found = await accounts.get(key)
        if found is None:
            raise UnknownAccount("there is no such account")
        states = (await log.levels_of([key])).get(key)
        if not follower.known:
            raise StoreUnavailable("the markets are not known yet")
        monitored = [] if states is None else decode_states(states)
        standing = {pool_key(state.pool): _LEVELS.index(state.level) for state in monitored}
        account, table = decode_account(found[0], name), MarketTable(follower.table)
        answers, _ = answer_accounts([account], table, follower.clock_ms(), standing)
        if not answers:
            raise InvalidInput("a figure of this account is too large for a number")
        fields = {field: getattr(answers[0], field) for field in answers[0].__struct_fields__}
        now_ms = int(time.time() * 1_000)
        answer = RiskAnswer(**fields, timestamp=now_ms, version=found[1], monitored=monitored)
        return json_reply(answer, etag(found[1]))

    @router.get("/accounts", response_class=Response, openapi_extra=WORST)
    async def list_accounts(request: Request) -> Response:
        caller = await door.admit(request, "accounts:read")
        query = Query(request, "level", "limit", "cursor")
        level = query.one_of("level", Level.__members__) or Level.WARNING.name
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        cursor = query.text("cursor")
        after = None if cursor is None else decode_place(cursor)
        question = WorstQuestion(caller.tenant, Level[level].value, limit + 1, after)
        return json_reply(await _ranked(questions, question, limit, limits.ask_s))

    return router


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
        RankedAccount(account_id(place.account_key), _LEVELS[place.level], place.margin_ratio)
        for place in places[:limit]
    ]
    return RankedAccounts(page, encode_place(places[limit - 1]) if len(places) > limit else None)
