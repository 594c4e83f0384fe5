"""Whose alerts a subscription wants: accounts by name or beginning, in its tenant, and levels."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.contract.alerts import LevelName
from service.store.keys import tenant_key


@dataclass(frozen=True, slots=True)
class Selection:
    """Account keys ("tenant/id"), never bare ids: a key of another tenant cannot match.

    `levels` are those an alert must have risen or fallen to; None is any. `silenced`: alerts under
    a silence are wanted too.
    """

    tenant: str
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    levels: frozenset[LevelName] | None = None
    silenced: bool = False

    @property
    def everything(self) -> bool:
        """Whether all accounts of the tenant are wanted."""
        return tenant_key(self.tenant, "") in self.prefixes

    def wants_account(self, key: str) -> bool:
        return key in self.exact or key.startswith(self.prefixes)

    def wants_level(self, level: LevelName) -> bool:
        return self.levels is None or level in self.levels


def select(
    tenant: str,
    accounts: Sequence[str],
    levels: Sequence[LevelName] | None,
    silenced: bool = False,
) -> Selection:
    """Return the selection of account ids, beginnings of ids ("desk*") and all ("*")."""
    keys = {tenant_key(tenant, pattern) for pattern in accounts}
    patterns = {key for key in keys if key.endswith("*")}
    return Selection(
        tenant,
        frozenset(keys - patterns),
        tuple(sorted(key.removesuffix("*") for key in patterns)),
        None if levels is None else frozenset(levels),
        silenced,
    )
