"""Silences as they are stored: JSON by tenant and id, and a number that grows with changes."""

from collections.abc import Sequence

from service.store import keys
from service.store.client import Client


class Silences:
    """All silences of all tenants. A step may be sent again: it writes the same."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def now_ms(self) -> int:
        """Return the server's clock: silences of all workers go by one."""
        return await self._client.time_ms(keys.SILENCES)

    async def generation(self) -> int:
        """Return a number that is another one whenever any silence has changed."""
        return int(await self._client.call("GET", keys.SILENCES_CHANGED) or 0)

    async def all(self) -> tuple[int, dict[tuple[str, str], bytes]]:
        """Return the generation, and JSON by tenant and id."""
        changed, flat = await self._client.batch(
            [("GET", keys.SILENCES_CHANGED), ("HGETALL", keys.SILENCES)], atomic=True
        )
        names = [keys.split_tenant_key(name.decode()) for name in flat[::2]]
        return int(changed or 0), dict(zip(names, flat[1::2], strict=True))

    async def of(self, tenant: str) -> dict[str, bytes]:
        """Return a tenant's silences by id, also those that are over and still kept."""
        _, found = await self.all()
        return {silence: doc for (owner, silence), doc in found.items() if owner == tenant}

    async def put(
        self, tenant: str, silence_id: str, doc: bytes, forgotten: Sequence[str] = ()
    ) -> None:
        """Store a silence, and forget others of the tenant."""
        names = [keys.tenant_key(tenant, each) for each in forgotten]
        drop = [("HDEL", keys.SILENCES, *names)] if names else []
        await self._client.batch(
            [
                *drop,
                ("HSET", keys.SILENCES, keys.tenant_key(tenant, silence_id), doc),
                ("INCR", keys.SILENCES_CHANGED),
            ],
            atomic=True,
        )
