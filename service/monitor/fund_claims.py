"""What the pools of each shard ask of the insurance funds, from the book as it is at one moment."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping

import msgspec
import numpy as np

from service.contract.funds import FundAsked, encode_asked, read_fund
from service.monitor.shards import Shards
from service.risk.book import Book
from service.risk.columns import Bools, Floats, Ints
from service.risk.evaluate import assess
from service.risk.fund_claims import FundClaims, fund_claims
from service.risk.model import Level
from service.risk.venues import RULES
from service.store.funds import ClaimsWrite, Funds, Name

_VENUES = tuple(RULES)  # by rule
Limits = Mapping[Name, float | None]  # of an event, by fund; None: it has none

_log = logging.getLogger(__name__)


class Claims:
    """Says what the pools of the shards that are served here ask; silent where no fund is.

    A fund that cannot be read (another version wrote it) is told of once and passed over: the
    others are spoken of, and whoever is monitored stays so.
    """

    def __init__(self, funds: Funds) -> None:
        self._funds = funds
        self._unread: set[tuple[Name, bytes]] = set()

    async def tell(self, books: Collection[Shards]) -> None:
        """Write it; a lost shard's word is refused. Raises StoreUnavailable."""
        if limits := await self.limits():
            writes = claims_of(books, limits)
            if writes:
                await self._funds.write_claims(writes)

    async def limits(self) -> Limits:
        """Return the limits of the funds that can be read."""
        limits: dict[Name, float | None] = {}
        unread = set()
        for name, fund in (await self._funds.all()).items():
            try:
                limits[name] = read_fund(fund.doc).event_limit
            except msgspec.DecodeError as error:
                unread.add((name, fund.doc))
                if (name, fund.doc) not in self._unread:
                    _log.error("the fund %s %s cannot be read: %s", *name, error)
        self._unread = unread
        return limits


def claims_of(books: Collection[Shards], limits: Limits) -> list[ClaimsWrite]:
    """Return what every shard that is served has to say, as of its book's market id.

    A pool is asked about when the monitor has it at LIQUIDATION or beyond, so that a fund and the
    alerts tell the same story; UNPRICED ones are counted. Nothing else is evaluated. A book whose
    levels are ahead of its market id says nothing: the next second is soon enough.
    """
    writes = []
    for shards in books:
        if shards.engine.is_ahead:
            continue
        asked = _asked_by_shard(shards, limits)
        nothing = [_row(name, limit) for name, limit in limits.items()]
        for shard, ledger in shards.ledgers.items():
            told = encode_asked(asked.get(shard, nothing))
            writes.append(ClaimsWrite(shard, ledger.token, shards.engine.market_id, told))
    return writes


def _row(name: Name, limit: float | None, *figures: float) -> FundAsked:
    money, counts = figures[:3] or (0.0,) * 3, figures[3:] or (0.0,) * 3
    claimed, over_limit, contribution = (each if np.isfinite(each) else None for each in money)
    claims, liquidations, unpriced = map(int, counts)
    return FundAsked(
        *name, limit, claimed, over_limit, contribution, claims, liquidations, unpriced
    )


def _asked_by_shard(shards: Shards, limits: Limits) -> dict[int, list[FundAsked]]:
    """Return the rows of each shard that has a pool to be asked about."""
    book = shards.engine.book
    slots = book.slots_not_healthy()
    levels = book.pools.level[slots]
    slots = slots[(levels >= Level.LIQUIDATION) | (levels == Level.UNPRICED)]
    names = list(limits)
    fund = _funds_of(book, slots, names)
    slots, fund = slots[fund >= 0], fund[fund >= 0]
    if not len(slots):
        return {}
    owners = shards.residents.shards_of(book.pools.account[slots].astype(np.int64))
    figures = _figures(book, slots, fund, limits)
    found: dict[int, list[FundAsked]] = {}
    for shard in np.unique(owners).tolist():
        of_shard = owners == shard
        with np.errstate(over="ignore"):  # too large for a number is told as that
            found[shard] = [
                _row(name, limits[name], *_summed(figures, of_shard & (fund == number)))
                for number, name in enumerate(names)
            ]
    return found


def _summed(figures: Floats, rows: Bools) -> list[float]:
    sums: list[float] = figures[:, rows].sum(axis=1).tolist()
    return sums


def _funds_of(book: Book, slots: Ints, names: list[Name]) -> Ints:
    """Return by pool the place of its fund among `names`, -1: it has none that anybody put."""
    number = {name: place for place, name in enumerate(names)}
    rules, settles = book.pools.rule[slots].tolist(), book.pools.settle[slots].tolist()
    known: dict[tuple[int, int], int] = defaultdict(lambda: -1)
    for rule, settle in set(zip(rules, settles, strict=True)):
        known[rule, settle] = number.get((_VENUES[rule], book.table.asset_name(settle)), -1)
    return np.array([known[each] for each in zip(rules, settles, strict=True)], np.int64)


def _figures(book: Book, slots: Ints, fund: Ints, limits: Limits) -> Floats:
    """Return a column a pool: the money of a `FundAsked`, then its counts."""
    most = np.array([np.inf if limit is None else limit for limit in limits.values()])
    batch = book.batch(slots)
    claims: FundClaims = fund_claims(batch, assess(batch), most[fund])
    known = claims.known() & (book.pools.level[slots] != Level.UNPRICED)
    money = [claims.claimed, claims.over_limit, claims.contribution]
    asks = known & (claims.claimed + claims.over_limit > 0.0)
    earns = known & (claims.contribution > 0.0)
    return np.array([*(np.where(known, column, 0.0) for column in money), asks, earns, ~known])
