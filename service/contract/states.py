"""Stored accounts as a worker remembers them while somebody watches their risk."""

import math
from dataclasses import dataclass

import msgspec

from service.contract.alerts import ToRestore
from service.contract.evaluation import AccountAnswer, PoolAnswer, PositionAnswer
from service.contract.results import RiskAnswer, RiskUpdate
from service.risk.model import Level

LISTED_MAX = 25  # positions, pools, reductions of an account that is too large for a frame


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account as it is stored; `states` (JSON) are those of its pools that are not HEALTHY."""

    account_id: str
    doc: bytes
    version: int
    states: bytes | None


class _Position(msgspec.Struct):
    symbol: str


class _Document(msgspec.Struct, rename="camel"):
    positions: list[_Position] = []
    collateral_mode: str = "single"


_decoder = msgspec.json.Decoder(_Document)


def symbols_of(doc: bytes) -> set[str] | None:
    """Return the symbols an account hangs on; None: on any, as its collateral has prices too."""
    try:
        document = _decoder.decode(doc)
    except msgspec.DecodeError:
        return set()  # a service of another version wrote it: there is nothing to tell of it
    if document.collateral_mode == "multi":
        return None
    return {position.symbol for position in document.positions}


def encode_update(account_id: str, risk: RiskAnswer | None, room: int) -> str:
    """Return an update as JSON, at most `room` bytes of it: then of the worst alone."""
    encoded = msgspec.json.encode(RiskUpdate(account_id, risk))
    if len(encoded) <= room or risk is None:
        return encoded.decode()
    return msgspec.json.encode(RiskUpdate(account_id, *_shortened(risk))).decode()


def _shortened(risk: RiskAnswer) -> tuple[RiskAnswer, int]:
    """Return an answer with the worst of its pools and positions, and how many are left out."""
    positions = sorted(risk.positions, key=_distance)[:LISTED_MAX]
    pools = sorted(risk.pools, key=_severity, reverse=True)[:LISTED_MAX]
    short = msgspec.structs.replace(
        risk,
        to_restore=_restored(risk),
        positions=positions,
        pools=[msgspec.structs.replace(pool, to_restore=_restored(pool)) for pool in pools],
        monitored=sorted(risk.monitored, key=lambda state: -Level[state.level])[:LISTED_MAX],
    )
    left = len(risk.positions) - len(positions) + len(risk.pools) - len(pools)
    return short, left


def _restored(of: AccountAnswer | PoolAnswer) -> ToRestore:
    return msgspec.structs.replace(of.to_restore, reduce=of.to_restore.reduce[:LISTED_MAX])


def _distance(position: PositionAnswer) -> float:
    distance = position.distance_pct
    return math.inf if distance is None or math.isnan(distance) else distance


def _severity(pool: PoolAnswer) -> int:
    return Level[pool.level]
