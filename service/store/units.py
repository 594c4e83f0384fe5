"""What keys may still ask for, as all workers share it: units that are taken and grow back.

One string a key says when everything taken has grown back (the generic cell rate algorithm), by the
clock of the server that has it. It goes when it would say nothing, so keys that rest cost nothing.
"""

from dataclasses import dataclass

from service.store import keys
from service.store.client import Client
from service.store.commands import load_script


@dataclass(frozen=True, slots=True)
class Grant:
    """How many units were taken, how many are left (below 0: missing), when there are enough."""

    taken: int
    left: int
    wait_ms: int


class Units:
    """The units of all keys."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._take = load_script("take_units")

    async def take(
        self, key_id: str, rate_per_s: float, burst: int, needed: int, wanted: int
    ) -> Grant:
        """Take `needed` units of a key, up to `wanted` of those that are there, or none.

        Without an answer (StoreUnavailable) they may be taken all the same: they grow back.
        """
        arguments = (rate_per_s, burst, needed, wanted)
        answer = await self._client.run(self._take, (keys.units(key_id),), arguments)
        return Grant(*map(int, answer))
