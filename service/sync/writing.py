"""A synced account into the service, by its own calls: compared, then replaced as a whole.

What the venue does not know of an account stays: thresholds, reminders, limits, loss budgets. A
write names the version that it was made from, so it never undoes somebody's in between; one whose
answer was lost is found done, or done again, by the next snapshot.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import httpx
import msgspec

from service.contract.accounts import AccountDocument, decode_document, encode_document
from service.contract.positions import PositionDocument
from service.contract.problems import Problem
from service.errors import InvalidInput, StoreUnavailable, VersionMismatch
from service.unified.figures import Json, mapped, objects

BEYOND = ("LIQUIDATION", "BANKRUPT")
_LATER = (408, 429, 500, 502, 503, 504)
_STATED = {"id", "version"}
ALIKE = 1e-6  # relative


class Leg(NamedTuple):
    """What a position is known by."""

    symbol: str
    side: str
    margin_mode: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An account as the service has it; version 0: not there."""

    version: int
    document: AccountDocument


class AccountDoor:
    """One account's calls. Everything raises StoreUnavailable, InvalidInput."""

    def __init__(self, client: httpx.AsyncClient, account_id: str) -> None:
        self._client = client
        self._path = f"/v1/accounts/{account_id}"

    async def stored(self) -> Stored:
        """Return what is stored."""
        response = await self._asked("GET", self._path)
        if response.status_code == 404:
            return Stored(0, AccountDocument())
        _check(response)
        version = int(response.headers["etag"].strip('"'))
        return Stored(version, decode_document(response.content))

    async def replace(self, before: Stored, document: AccountDocument) -> bool:
        """Write the venue's account over the stored one; return whether anything was new.

        Raises VersionMismatch when somebody else has written it meanwhile.
        """
        body = encode_document(kept(before.document, document))
        if before.version and same(encode_document(before.document), body):
            return False
        condition = (
            {"If-Match": f'"{before.version}"'} if before.version else {"If-None-Match": "*"}
        )
        headers = {"Content-Type": "application/json", **condition}
        response = await self._asked("PUT", self._path, body, headers)
        if response.status_code == 412:
            raise VersionMismatch("somebody else has written the account meanwhile")
        _check(response)
        return True

    async def beyond(self) -> set[Leg]:
        """Return the positions of pools that are beyond liquidation, by the marks as they are."""
        response = await self._asked("GET", f"{self._path}/risk")
        if response.status_code == 404:
            return set()
        _check(response)
        return legs_beyond(mapped(msgspec.json.decode(response.content)))

    async def _asked(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            response = await self._client.request(method, path, content=body, headers=headers)
        except httpx.TransportError as error:
            raise StoreUnavailable(f"no service answers: {type(error).__name__}") from None
        if response.status_code in _LATER:
            raise StoreUnavailable(f"the service answers {response.status_code}")
        return response


def legs_of(document: AccountDocument) -> set[Leg]:
    """Return the open positions of an account."""
    return {_leg(row) for row in document.positions or () if row.contracts != 0.0}


def legs_beyond(risk: Json) -> set[Leg]:
    """Return the legs of an evaluation whose pools are at LIQUIDATION or worse."""
    found = set()
    for pool in objects(risk.get("pools")):
        if pool.get("level") not in BEYOND:
            continue
        for row in objects(risk.get("positions")):
            leg = Leg(str(row.get("symbol")), str(row.get("side")), str(row.get("marginMode")))
            settle = leg.symbol.partition(":")[2].split("-")[0]
            if pool.get("kind") == "cross":
                ours = leg.margin_mode == "cross" and pool.get("settle") in (settle, "USD", None)
            else:
                own = (pool.get("symbol"), pool.get("side"), "isolated")
                ours = own == leg
            if ours:
                found.add(leg)
    return found


def kept(before: AccountDocument, after: AccountDocument) -> AccountDocument:
    """Return the venue's account with what only its owner has said of the stored one."""
    owned = {_leg(row): row for row in before.positions or ()}
    rows = []
    for row in after.positions or ():
        same_leg = owned.get(_leg(row))
        budget = None if same_leg is None else same_leg.loss_budget
        stop = row.stop_loss_price
        if stop is None and same_leg is not None:
            stop = same_leg.stop_loss_price
        rows.append(msgspec.structs.replace(row, loss_budget=budget, stop_loss_price=stop))
    balances = [msgspec.structs.replace(row, price=None) for row in after.balances or ()]
    return msgspec.structs.replace(
        after,
        balances=balances,
        positions=rows,
        thresholds=before.thresholds,
        repeat=before.repeat,
        health_limits=before.health_limits,
    )


def same(before: bytes, after: bytes) -> bool:
    """Whether two stored forms say the same.

    The order of rows says nothing, nor do the last digits of amounts: a wallet that is an equity
    less its PnL differs in them with every mark.
    """
    return _alike(_by_name(before), _by_name(after))


def _by_name(raw: bytes) -> dict[str, object]:
    told = {name: value for name, value in msgspec.json.decode(raw).items() if name not in _STATED}
    told["balances"] = {row["asset"]: row for row in told.get("balances") or []}
    told["positions"] = {
        f"{row['symbol']} {row['side']} {row['marginMode']}": row
        for row in told.get("positions") or []
    }
    return told


def _alike(before: object, after: object) -> bool:
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(
            _alike(value, after[name]) for name, value in before.items()
        )
    if isinstance(before, int | float) and isinstance(after, int | float):
        return math.isclose(before, after, rel_tol=ALIKE, abs_tol=ALIKE * ALIKE)
    return before == after


def _leg(row: PositionDocument) -> Leg:
    return Leg(row.symbol, str(row.side), row.margin_mode or "cross")


def _check(response: httpx.Response) -> None:
    """Raise InvalidInput with the service's own reasons for an answer that is a refusal."""
    if response.is_success:
        return
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        raise InvalidInput(f"the service answers {response.status_code}") from None
    said = "; ".join(f"{one.pointer} {one.code}" for one in problem.errors or ())
    raise InvalidInput(f"{problem.code}: {said or problem.detail}")
