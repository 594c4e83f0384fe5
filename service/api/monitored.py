"""A tenant's monitored accounts in place of a body's: `"accounts": "monitored"`.

The monitors say which they are, the store what they hold now. From there on it is a body as any,
with the same limits. A book beyond them stays where it is: `book_scenarios`.
"""

from dataclasses import dataclass

import msgspec

from service.access.door import Caller
from service.api.limits import Limits
from service.contract.decoding import check_count, decode
from service.contract.questions import NAMES, NamesQuestion, decode_names, encode_names_question
from service.contract.simulate import SettledBy
from service.errors import Fault, InvalidInput, MissingScope, StoreUnavailable
from service.store.accounts import Accounts
from service.store.keys import split_tenant_key
from service.store.questions import Questions

NAMES_S = 10.0
_MONITORED = b'"monitored"'


class _Kind(msgspec.Struct, rename="camel"):
    accounts: msgspec.Raw = msgspec.Raw(b"null")
    settled_by: SettledBy | None = None


_kind_decoder = msgspec.json.Decoder(_Kind)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Monitored:
    """Where a worker finds them."""

    questions: Questions
    accounts: Accounts
    limits: Limits

    async def body_of(self, caller: Caller, body: bytes) -> bytes | None:
        """Return a body with the monitored accounts in it, where it asks for them.

        None: they are to be settled by sums, because the body says so or for their number.
        Raises MissingScope, MonitorUnavailable, StoreUnavailable, TooManyItems, InvalidInput.
        """
        kind = decode(body, _kind_decoder)
        if bytes(kind.accounts) != _MONITORED:
            if kind.settled_by == "sums":
                detail = "accounts of a body are not settled by sums"
                raise InvalidInput.of(Fault("/settledBy", "not_monitored", detail))
            return body
        if not caller.may("accounts:read"):
            raise MissingScope("monitored accounts take the scope accounts:read")
        if kind.settled_by == "sums":
            return None
        names = await self._names(caller.tenant)
        if kind.settled_by == "queue":
            check_count(len(names), self.limits.accounts_max, "monitored accounts")
        if len(names) > self.limits.accounts_max:
            return None
        return await self._filled(body, names)

    async def _filled(self, body: bytes, names: list[str]) -> bytes:
        """Return the body with these accounts in it, as they are stored."""
        stored = await self.accounts.get_many(names)
        if not stored:
            detail = "none of your accounts is monitored"
            raise InvalidInput.of(Fault("/accounts", "no_accounts", detail))
        # The stored form is canonical and never empty: the id goes in front, unread.
        rows = [
            b'{"id":"%b",%b' % (split_tenant_key(key)[1].encode(), doc[1:])
            for key, (doc, _) in sorted(stored.items())
        ]
        fields = decode(body, _fields_decoder)
        fields["accounts"] = msgspec.Raw(b"[%b]" % b",".join(rows))
        return msgspec.json.encode(fields)

    async def _names(self, tenant: str) -> list[str]:
        """Return a tenant's accounts, or more of them than a body may have."""
        most = self.limits.accounts_max
        question = encode_names_question(NamesQuestion(tenant, most))
        answers = await self.questions.ask(NAMES, question, NAMES_S)
        try:
            # By name: a shard that changes hands just now may be answered for twice.
            return sorted({name for answer in answers for name in decode_names(answer)})
        except msgspec.DecodeError as error:
            raise StoreUnavailable("a monitor of another version answered") from error
