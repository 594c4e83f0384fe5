"""Stored accounts, judged: one at the newest marks, or all from a level up, worst first."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from fastapi import APIRouter, Request, Response

from service.access.door import Caller
from service.api.account_documents import HEALTH, RISK, WORST
from service.api.checkup import Asked, Examiner
from service.api.entrance import Entrance
from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.queries import Query
from service.api.replies import json_reply, unchanged
from service.api.stored_risk import judge_stored
from service.contract.accounts import decode_account
from service.contract.alerts import LevelName
from service.contract.health import HealthAnswer, from_limits
from service.contract.likelihood import HORIZON_MAX_S, LikelihoodQuestion
from service.contract.names import check_account_id
from service.contract.questions import (
    LEVELS,
    RankedPlace,
    WorstAnswer,
    WorstQuestion,
    decode_answer,
    decode_place,
    encode_place,
    encode_question,
)
from service.contract.questions import (
    WORST as WORST_KIND,
)
from service.contract.results import RankedAccount, RankedAccounts, RiskAnswer
from service.contract.states import KnownAccount
from service.errors import InvalidInput, StoreUnavailable, UnknownAccount
from service.risk.model import HealthLimits, Level
from service.store.accounts import Accounts
from service.store.alert_log import AlertLog
from service.store.keys import split_tenant_key, tenant_key
from service.store.questions import Questions

LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000


def build_account_risk_router(
    entrance: Entrance,
    accounts: Accounts,
    log: AlertLog,
    questions: Questions,
    *,
    follower: MarketFollower,
    limits: Limits,
    examiner: Examiner,
) -> APIRouter:
    """Build the routes that judge stored accounts."""
    desk = _Desk(entrance, accounts, log, questions, follower, limits, examiner)
    router = APIRouter(prefix="/v1", tags=["accounts"], default_response_class=Response)
    one = "/accounts/{account_id}"
    router.add_api_route(f"{one}/risk", desk.get_risk, openapi_extra=RISK)
    router.add_api_route(f"{one}/health", desk.get_health, openapi_extra=HEALTH)
    router.add_api_route("/accounts", desk.list_accounts, openapi_extra=WORST)
    return router


@dataclass(frozen=True, slots=True)
class _Desk:
    """The three calls, over what they need."""

    entrance: Entrance
    accounts: Accounts
    log: AlertLog
    questions: Questions
    follower: MarketFollower
    limits: Limits
    examiner: Examiner

    async def get_risk(self, request: Request) -> Response:
        caller = await self.entrance.admit(request, "accounts:read")
        asked = _asked(Query(request, "findings", "horizonS"))
        key = _key_of(request, caller)
        if (same := await self._as_it_was(request, key)) is not None:
            return same
        known = await self._stored(key)
        headers = _tag(known.version, self.follower.market_id, known.states)
        if (same := unchanged(request, headers)) is not None:
            return same
        return json_reply(self._judged(known, asked), headers)

    async def get_health(self, request: Request) -> Response:
        caller = await self.entrance.admit(request, "accounts:read")
        Query(request)
        key = _key_of(request, caller)
        if (same := await self._as_it_was(request, key)) is not None:
            return same
        known = await self._stored(key)
        headers = _tag(known.version, self.follower.market_id, known.states)
        if (same := unchanged(request, headers)) is not None:
            return same
        limits = decode_account(known.doc, known.account_id).health or HealthLimits()
        risk = self._judged(known, Asked(limits))
        assert risk.findings is not None
        answer = HealthAnswer(
            known.account_id,
            risk.timestamp,
            known.version,
            risk.level,
            from_limits(limits),
            risk.findings,
        )
        return json_reply(answer, headers)

    async def list_accounts(self, request: Request) -> Response:
        caller = await self.entrance.admit(request, "accounts:read")
        query = Query(request, "level", "limit", "cursor", "match", "counts")
        level = query.one_of("level", Level.__members__) or Level.WARNING.name
        limit = query.whole("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
        cursor = query.text("cursor")
        after = None if cursor is None else decode_place(cursor)
        match = query.text("match")
        question = WorstQuestion(
            caller.tenant,
            Level[level].value,
            limit + 1,
            after,
            None if match is None else check_account_id(match, "?match"),
            query.one_of("counts", ("true", "false")) == "true",
        )
        return json_reply(await _ranked(self.questions, question, limit, self.limits.ask_s))

    async def _as_it_was(self, request: Request, key: str) -> Response | None:
        """Answer 304 to a tag that still holds, without reading or judging the account."""
        market_id = self.follower.market_id
        asked = request.headers.get("if-none-match", "")
        if not self.follower.known or f"-{market_id}-" not in asked:
            return None
        (version,) = await self.accounts.versions([key])
        states = (await self.log.levels_of([key])).get(key)
        return unchanged(request, _tag(version, market_id, states))

    async def _stored(self, key: str) -> KnownAccount:
        found = await self.accounts.get(key)
        if found is None:
            raise UnknownAccount("there is no such account")
        states = (await self.log.levels_of([key])).get(key)
        if not self.follower.known:
            raise StoreUnavailable("the markets are not known yet")
        return KnownAccount(split_tenant_key(key)[1], *found, states)

    def _judged(self, known: KnownAccount, asked: Asked) -> RiskAnswer:
        examine = partial(self.examiner.of, asked)
        (answer,) = judge_stored(self.follower, [known], examine)
        if answer is None:
            raise InvalidInput("a figure of this account is too large for a number")
        return answer


def _asked(query: Query) -> Asked:
    """Return what to say beside the figures."""
    findings = query.one_of("findings", ("true", "false")) == "true"
    horizon_s = query.whole("horizonS", 0, 1, HORIZON_MAX_S)
    return Asked(
        HealthLimits() if findings else None,
        LikelihoodQuestion(horizon_s) if horizon_s else None,
    )


def _key_of(request: Request, caller: Caller) -> str:
    """Return the key of the account that a call names; raises InvalidInput."""
    return tenant_key(caller.tenant, check_account_id(request.path_params["account_id"]))


def _tag(version: int, market_id: int, states: bytes | None) -> dict[str, str]:
    """Return the header that is the same while the figures are: ages and the clock go on."""
    return {"etag": f'W/"{version}-{market_id}-{zlib.crc32(states or b"")}"'}


async def _ranked(
    questions: Questions, question: WorstQuestion, limit: int, timeout_s: float
) -> RankedAccounts:
    """Merge what the monitors say; one account more than the page was asked for tells of a next."""
    found = await questions.ask(WORST_KIND, encode_question(question), timeout_s)
    try:
        answers = [decode_answer(answer) for answer in found]
    except msgspec.DecodeError as error:
        raise StoreUnavailable("a monitor of another version answered") from error
    # By account and by shard: one that changes hands just now may be answered for twice.
    by_account = {place.account_key: place for answer in answers for place in answer.places}
    places = sorted(by_account.values(), key=RankedPlace.order)
    page = [
        RankedAccount(
            split_tenant_key(place.account_key)[1], LEVELS[place.level], place.margin_ratio
        )
        for place in places[:limit]
    ]
    cursor = encode_place(places[limit - 1]) if len(places) > limit else None
    return RankedAccounts(page, cursor, _counts(answers) if question.counts else None)


def _counts(answers: Sequence[WorstAnswer]) -> dict[LevelName, int]:
    """Return how many accounts are at each level; each shard counts once."""
    by_shard = {one.shard: one.counts for answer in answers for one in answer.counts}
    sums = map(sum, zip(*by_shard.values(), strict=True))
    return dict(zip(LEVELS, sums, strict=True))
