"""How much of the store the kept answers of one key may take.

An answer is kept for a fixed time and then goes by itself. So its room is taken like the units of
calls: half of what there is at once, and the other half grows back in the time for which answers
are kept. At no moment do more answers live than fill the whole.
"""

import math

from service.access.door import Caller
from service.access.meter import UnitStore

UNIT_BYTES = 1_024  # the least that is counted: a record takes some bytes beside its answer


class KeptRoom:
    """One a worker; the store has the count. `kept_s` is how long an answer is kept."""

    def __init__(self, units: UnitStore, bytes_max: int, kept_s: float) -> None:
        self._units = units
        self._burst = bytes_max // UNIT_BYTES // 2
        self._rate_per_s = self._burst / kept_s

    async def wait_s(self, caller: Caller, answer_bytes: int) -> int:
        """Take the room of an answer; or return the seconds until there is some, and take none.

        Raises StoreUnavailable.
        """
        needed = max(1, math.ceil(answer_bytes / UNIT_BYTES))
        # Without keys there is one caller a tenant.
        name = f"kept {caller.key_id or caller.tenant}"
        grant = await self._units.take(name, self._rate_per_s, self._burst, needed, needed)
        return 0 if grant.taken else max(1, math.ceil(grant.wait_ms / 1_000.0))
