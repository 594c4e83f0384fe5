"""`POST /v1/accounts:batch`: many accounts in one call, each taken or refused by itself.

A list is read as a whole, so that of an id that is listed twice none is taken. Lines are taken as
they come and in their order, however many there are: a later one of the same id replaces an earlier
one as a second call would, and nothing but counts and refusals is kept of them. The work is cut so
that other requests of the worker wait for some milliseconds of it at most, and while Redis writes
some accounts the next are read.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import TypeAlias

from service.api.follower import MarketFollower
from service.api.limits import Limits
from service.api.symbols import unknown_symbols, unlisted_by_now
from service.contract.accounts import (
    NamedAccountDocument,
    decode_all_named,
    decode_named,
    document_faults,
    encode_document,
)
from service.contract.decoding import split_list
from service.contract.problems import ItemResult, refused
from service.contract.results import BatchResult
from service.errors import Fault, InvalidInput, MalformedBody, ServiceError, TooManyItems
from service.store.accounts import Accounts
from service.store.keys import tenant_key

ITEMS_A_STEP = 128  # about two milliseconds of work
ITEMS_A_WRITE = 10_000  # some hundred accounts a shard: its monitor takes them in one go

Charge: TypeAlias = Callable[[int], Awaitable[None]]  # takes what so many items cost

_Row = tuple[int, str, bytes]  # index, account id, document


class Results:
    """What became of the items.

    Of more than `listed_max` only those refused are listed, and of them so many.
    """

    def __init__(self, listed_max: int) -> None:
        self.accepted = 0
        self.refused = 0
        self._listed_max = listed_max
        self._accepted: list[ItemResult] = []
        self._refused: list[ItemResult] = []

    def accept(self, rows: Sequence[_Row], versions: Sequence[int]) -> None:
        self.accepted += len(rows)
        if self.accepted + self.refused > self._listed_max:
            self._accepted.clear()
            return
        self._accepted += [
            ItemResult(index, "ok", id=name, version=version)
            for (index, name, _), version in zip(rows, versions, strict=True)
        ]

    def refuse(self, index: int, faults: Sequence[Fault], name: str | None = None) -> None:
        self.refused += 1
        if len(self._refused) < self._listed_max:
            self._refused.append(refused(index, faults, name))

    def told(self) -> BatchResult:
        """Return what the client is told, in the order of the items."""
        listed = sorted([*self._accepted, *self._refused], key=lambda result: result.index)
        return BatchResult(self.accepted, self.refused, listed)


class Upload:
    """One call; `take_list` or `take_lines`, then `results` is whole."""

    def __init__(
        self, accounts: Accounts, follower: MarketFollower, limits: Limits, tenant: str
    ) -> None:
        self.results = Results(limits.accounts_max)
        self._accounts = accounts
        self._follower = follower
        self._limits = limits
        self._tenant = tenant
        self._rows: list[_Row] = []
        self._writing: asyncio.Task[None] | None = None

    async def take_list(self, body: bytes, charge: Charge) -> None:
        """Take a JSON list; raises TooManyItems, RateLimited before anything of it is written."""
        pieces = split_list(body, self._limits.accounts_max, "accounts")
        await charge(len(pieces))
        steps = []
        for first in range(0, len(pieces), ITEMS_A_STEP):
            steps.append(self._decoded(pieces[first : first + ITEMS_A_STEP], first))
            await asyncio.sleep(0)
        self._limits.check_positions(each for step in steps for each in step.values())
        counts = Counter(document.id for step in steps for document in step.values())
        twice = {name for name, count in counts.items() if count > 1}
        async with self._written():
            for documents in steps:
                await self._take(documents, twice)

    async def take_lines(
        self, blocks: AsyncIterator[Sequence[bytes | ServiceError]], charge: Charge
    ) -> None:
        """Take the lines of a body as they come, each step once it is paid for."""
        first = 0
        async with self._written():
            async for lines in blocks:
                for start in range(0, len(lines), ITEMS_A_STEP):
                    step = lines[start : start + ITEMS_A_STEP]
                    await charge(len(step))
                    await self._take(self._of_lines(step, first + start), ())
                first += len(lines)

    def _of_lines(
        self, lines: Sequence[bytes | ServiceError], first: int
    ) -> dict[int, NamedAccountDocument]:
        """Return the documents of some lines by index; one alone may be too much for a call."""
        documents: dict[int, NamedAccountDocument] = {}
        pieces: list[bytes] = []
        for index, line in enumerate(lines, first):
            if isinstance(line, bytes):
                pieces.append(line)
                continue
            documents |= self._decoded(pieces, index - len(pieces))
            pieces.clear()
            self.results.refuse(index, (Fault(f"/{index}", line.code, line.detail),))
        documents |= self._decoded(pieces, first + len(lines) - len(pieces))
        most = self._limits.positions_max
        large = [index for index, each in documents.items() if len(each.positions or ()) > most]
        for index in large:
            detail = f"more than {most} positions in one line"
            fault = Fault(f"/{index}/positions", TooManyItems.code, detail)
            self.results.refuse(index, (fault,), documents.pop(index).id)
        return documents

    def _decoded(self, pieces: Sequence[bytes], first: int) -> dict[int, NamedAccountDocument]:
        """Return the documents that can be read, by index; the others are refused."""
        documents = decode_all_named(pieces)
        if documents is not None:
            return dict(enumerate(documents, first))
        found = {}
        for index, piece in enumerate(pieces, first):
            try:
                found[index] = decode_named(piece, f"/{index}")
            except InvalidInput as error:
                self.results.refuse(index, error.faults)
            except MalformedBody as error:  # of a line; a list has been read as a whole
                self.results.refuse(index, (Fault(f"/{index}", error.code, error.detail),))
        return found

    async def _take(
        self, documents: dict[int, NamedAccountDocument], twice: Collection[str]
    ) -> None:
        """Check some documents and have the good ones written."""
        missing = await unlisted_by_now(documents.values(), self._follower, self._limits.reach_s)
        for index, document in documents.items():
            faults = self._faults(document, f"/{index}", twice, missing)
            if faults:
                self.results.refuse(index, faults, document.id)
            else:
                self._rows.append((index, document.id, encode_document(document)))
        if len(self._rows) >= ITEMS_A_WRITE:
            await self._flush()
        await asyncio.sleep(0)  # others first

    @staticmethod
    def _faults(
        document: NamedAccountDocument,
        pointer: str,
        twice: Collection[str],
        missing: Collection[tuple[str, str]],
    ) -> list[Fault]:
        if document.id in twice:
            return [Fault(f"{pointer}/id", "duplicate_id", "this id is listed more than once")]
        faults = document_faults(document, pointer, own_marks=False)
        return faults or unknown_symbols(document, missing, pointer)

    @contextlib.asynccontextmanager
    async def _written(self) -> AsyncIterator[None]:
        """Write what is left at the end; leave no write alone that has begun."""
        try:
            yield
            await self._flush()
        finally:
            if self._writing is not None:
                await self._writing

    async def _flush(self) -> None:
        """Begin to write the rows there are, once those before them are written."""
        if self._writing is not None:
            await self._writing
        rows, self._rows = self._rows, []
        self._writing = asyncio.create_task(self._write(rows), name="upload") if rows else None

    async def _write(self, rows: Sequence[_Row]) -> None:
        documents = [(tenant_key(self._tenant, name), document) for _, name, document in rows]
        self.results.accept(rows, await self._accounts.put_many(documents))
