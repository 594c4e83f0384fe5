"""What a worker asks the monitors of scenarios, and what they answer, a shard at a time.

The question has the scenarios as the client wrote them, the answer sums and the worst accounts by
name: a worker adds up the one and keeps the worst of the other, in whatever order shards come.
"""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from service.contract.map_parts import FundLimit, MapCell, MapRefused
from service.contract.names import Venue
from service.contract.simulate import GridDocument, PolicyDocument, ScenarioDocument

SCENARIOS = "scenarios"


class ScenariosQuestion(Struct, frozen=True):
    """Scenarios on the accounts of a tenant in these shards; see `MapQuestion`.

    `worst`: how many accounts of each scenario are to be named.
    """

    job: str
    shards: list[int]
    tenant: str
    scenarios: list[ScenarioDocument] | None
    grid: GridDocument | None
    policies: dict[Venue, PolicyDocument]
    limits: list[FundLimit]
    worst: int
    lasts_s: float


class WorstShort(Struct, array_like=True, frozen=True):
    """An account that falls short: in USD, and by asset."""

    usd: float
    account_key: str
    level: int
    money: list[tuple[str, float]]

    def order(self) -> tuple[float, str]:
        """Return what to sort by."""
        return -self.usd, self.account_key


class ScenarioFound(Struct, array_like=True, frozen=True):
    """What one scenario does: accounts by level, sums by cell and step, the worst first.

    `cells` have the fields of `risk.simulate.by_sums`; `unranked` accounts fall short of an asset
    without a price in USD.
    """

    levels: list[int]
    cells: list[MapCell]
    worst: list[WorstShort]
    unranked: int


class ScenariosPart(Struct, tag="scenarios", frozen=True):
    """One shard's, and the market entry whose marks it goes by."""

    market_id: int
    accounts: int
    found: list[ScenarioFound]


ScenariosReply: TypeAlias = ScenariosPart | MapRefused

_question_decoder = msgspec.msgpack.Decoder(ScenariosQuestion)
_reply_decoder: msgspec.msgpack.Decoder[ScenariosReply] = msgspec.msgpack.Decoder(ScenariosReply)


def decode_scenarios_question(raw: bytes) -> ScenariosQuestion:
    return _question_decoder.decode(raw)


def decode_scenarios_reply(raw: bytes) -> ScenariosReply:
    return _reply_decoder.decode(raw)
