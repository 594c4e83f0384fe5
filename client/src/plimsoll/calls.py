"""Every REST call as data: what is sent and what its answer is. The two clients only send them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import uuid4

from plimsoll.answers import (
    AcknowledgedAlert,
    AdjustedAccount,
    AlertsPage,
    BatchResult,
    Evaluation,
    ProblemDocument,
    StoredAccountRisk,
    WrittenAccount,
)
from plimsoll.checkup import Health, Size
from plimsoll.decoding import decode
from plimsoll.documents import (
    Account,
    Balance,
    HealthLimits,
    Instrument,
    InstrumentList,
    Mark,
    MarkList,
    NamedAccount,
    Number,
    Position,
    Reason,
    StoredAccount,
    StoredMark,
    Trade,
    Venue,
    Volatility,
)
from plimsoll.errors import PROBLEM_OF_STATUS, Problem, UnexpectedAnswer

Answer = TypeVar("Answer")
Anything = Mapping[str, object]  # a dict of the right shape that no type checker knows, as ccxt's

_CHUNK_BYTES = 64 * 1_024


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """One request; `read` makes of its parsed answer what the caller gets.

    `repeatable`: done twice it leaves what it would have left once, or it carries a key by which
    the service knows it again.
    """

    method: str
    path: str
    read: Callable[[Any], Answer]
    query: dict[str, str | int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    parts: Iterable[bytes] | None = None  # a body that is not made at once
    repeatable: bool = True


class Questions(TypedDict, total=False):
    """What an evaluation says on request beside its figures.

    `findings`: of its health, by the account's own limits, else `health_limits` (which ask for them
    too), else the service's. `horizon_s`: how likely liquidation and a debt are within so many
    seconds. `volatility`: your own word, by symbol, on how markets move.
    """

    findings: bool
    health_limits: HealthLimits | Anything | None
    horizon_s: Number | None
    volatility: Mapping[str, Volatility | Anything] | None


def evaluate(
    accounts: Sequence[NamedAccount | Anything] | None,
    *,
    positions: Sequence[Position | Anything] | None,
    balances: Sequence[Balance | Anything] | None,
    venue: Venue | None,
    marks: Mapping[str, Number] | None,
    instruments: Sequence[Instrument | Anything] | None,
    betas: Mapping[str, Number] | None,
    gap_pct: Number | None,
    questions: Questions,
) -> Call[Evaluation]:
    if (accounts is None) == (positions is None):
        raise TypeError("give `accounts`, or the `positions` of one account")
    if accounts is None:
        accounts = [
            {"id": "me", "venue": venue, "balances": balances or [], "positions": positions}
        ]
    elif balances is not None or venue is not None:
        raise TypeError("`balances` and `venue` go with `positions`; `accounts` have their own")
    horizon_s = questions.get("horizon_s")
    asked = {
        "accounts": accounts,
        "marks": marks,
        "instruments": instruments,
        "betas": betas,
        "gap": None if gap_pct is None else {"movePct": gap_pct},
        "findings": questions.get("findings"),
        "healthLimits": questions.get("health_limits"),
        "likelihood": None if horizon_s is None else {"horizonS": horizon_s},
        "volatility": questions.get("volatility"),
    }
    return json_call("POST", "/v1/evaluate", asked, lambda answer: decode(Evaluation, answer))


def put_instruments(instruments: Sequence[Instrument | Anything]) -> Call[BatchResult]:
    return json_call("PUT", "/v1/instruments", instruments, _batch_result)


def get_instruments(venue: Venue | None, symbol: str | None) -> Call[Sequence[Instrument]]:
    def read(answer: object) -> Sequence[Instrument]:
        return decode(InstrumentList, answer)["instruments"]

    return Call("GET", "/v1/instruments", read, given(venue=venue, symbol=symbol))


def put_account(
    account_id: str, account: Account | Anything, if_version: int | None
) -> Call[WrittenAccount]:
    def read(answer: object) -> WrittenAccount:
        return decode(WrittenAccount, answer)

    headers, repeatable = if_match(if_version), if_version is None
    return json_call("PUT", _account(account_id), account, read, headers, repeatable=repeatable)


def put_accounts(accounts: Iterable[NamedAccount | Anything]) -> Call[BatchResult]:
    headers = {"content-type": "application/x-ndjson"}
    path = "/v1/accounts:batch"
    parts = _lines(accounts)
    return Call("POST", path, _batch_result, headers=headers, parts=parts, repeatable=False)


def get_account(account_id: str) -> Call[StoredAccount]:
    return Call("GET", _account(account_id), lambda answer: decode(StoredAccount, answer))


def delete_account(account_id: str, if_version: int | None) -> Call[None]:
    path, headers = _account(account_id), if_match(if_version)
    return Call("DELETE", path, lambda _: None, headers=headers, repeatable=False)


def adjust_account(
    account_id: str,
    asset: str,
    delta: Number,
    reason: Reason,
    *,
    if_version: int | None,
    idempotency_key: str | None,
) -> Call[AdjustedAccount]:
    def read(answer: object) -> AdjustedAccount:
        return decode(AdjustedAccount, answer)

    body = {"asset": asset, "delta": delta, "reason": reason}
    headers = if_match(if_version) | _key(idempotency_key)
    return json_call("POST", f"{_account(account_id)}/adjust", body, read, headers)


def account_risk(account_id: str, findings: bool, horizon_s: int | None) -> Call[StoredAccountRisk]:
    path = f"{_account(account_id)}/risk"
    query = given(findings="true" if findings else None, horizonS=horizon_s)
    return Call("GET", path, lambda answer: decode(StoredAccountRisk, answer), query)


def health(account_id: str) -> Call[Health]:
    path = f"{_account(account_id)}/health"
    return Call("GET", path, lambda answer: decode(Health, answer))


def size(trade: Trade | Anything) -> Call[Size]:
    return json_call("POST", "/v1/size", trade, lambda answer: decode(Size, answer))


def post_marks(marks: Sequence[Mark | Anything]) -> Call[BatchResult]:
    return json_call("POST", "/v1/marks", {"marks": marks}, _batch_result, _key(None))


def get_marks(venue: Venue | None, symbol: str | None) -> Call[Sequence[StoredMark]]:
    def read(answer: object) -> Sequence[StoredMark]:
        return decode(MarkList, answer)["marks"]

    return Call("GET", "/v1/marks", read, given(venue=venue, symbol=symbol))


def page_alerts(
    since: str | None, account_id: str | None, acknowledged: bool | None, limit: int | None
) -> Call[AlertsPage]:
    done = None if acknowledged is None else str(acknowledged).lower()
    query = given(since=since, accountId=account_id, acknowledged=done, limit=limit)
    return Call("GET", "/v1/alerts", lambda answer: decode(AlertsPage, answer), query)


def acknowledge(alert_id: str) -> Call[AcknowledgedAlert]:
    path = f"/v1/alerts/{quote(alert_id, safe='')}/ack"
    return Call("POST", path, lambda answer: decode(AcknowledgedAlert, answer))


def read_answer(call: Call[Answer], status: int, body: bytes, retry_after: str | None) -> Answer:
    """Return the answer of a call; raises Problem, or UnexpectedAnswer."""
    if not 200 <= status < 300:
        raise problem_of(status, body, retry_after)
    try:
        document = json.loads(body) if body else None
    except ValueError as error:
        raise UnexpectedAnswer(f"the answer {status} is no JSON") from error
    return call.read(document)


def problem_of(status: int, body: bytes, retry_after: str | None = None) -> Problem:
    """Return the error of a refusal, even of one that a proxy made and that has no problem."""
    try:
        document = decode(ProblemDocument, json.loads(body))
    except (ValueError, UnexpectedAnswer):
        text = body[:200].decode(errors="replace")
        document = ProblemDocument("about:blank", "", status, "http_error", text)
    in_seconds = retry_after is not None and retry_after.isascii() and retry_after.isdigit()
    kind = PROBLEM_OF_STATUS.get(status, Problem)
    return kind(document, float(retry_after) if retry_after and in_seconds else None)


def _batch_result(answer: object) -> BatchResult:
    return decode(BatchResult, answer)


def json_call(
    method: str,
    path: str,
    document: object,
    read: Callable[[Any], Answer],
    headers: Mapping[str, str] | None = None,
    *,
    repeatable: bool = True,
) -> Call[Answer]:
    sent = {"content-type": "application/json", **(headers or {})}
    body = _encode(document)
    return Call(method, path, read, headers=sent, body=body, repeatable=repeatable)


def _encode(document: object) -> bytes:
    """Raises ValueError for NaN and Infinity, which JSON does not have."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def _lines(documents: Iterable[object]) -> Iterator[bytes]:
    """NDJSON in parts of a size that is worth sending."""
    part = bytearray()
    for document in documents:
        part += _encode(document) + b"\n"
        if len(part) >= _CHUNK_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _account(account_id: str) -> str:
    return f"/v1/accounts/{quote(account_id, safe='')}"


def if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}


def _key(given: str | None) -> dict[str, str]:
    """Return the header by which the service knows the call when it comes again."""
    return {"idempotency-key": f'"{given or uuid4()}"'}


def given(**parameters: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}
