"""Which account changes belong to which market entry: a notice in the stream says up to where."""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

import msgspec

from service.monitor.ports import AccountsPort
from service.store.accounts import AccountChange
from service.store.market_stream import MarketEntry


class Notice(msgspec.Struct):
    """The changes of a shard up to this id are taken before any later entry."""

    shard: int
    upto: int


_decoder = msgspec.json.Decoder(Notice)


def read_notice(entry: MarketEntry) -> Notice:
    """Return what an entry of kind "a" says."""
    return _decoder.decode(entry.payload)


async def fetch_changes(
    accounts: AccountsPort,
    entries: Sequence[MarketEntry],
    drained_to: Callable[[int, int], int],
) -> dict[int, deque[AccountChange]]:
    """Return by shard the changes that the notices among these entries bring in.

    `drained_to(shard, upto)` says up to which change a shard has been taken in; `upto` where it is
    nobody's business here.
    """
    upto: dict[int, int] = {}
    for entry in entries:
        if entry.kind == "a":
            notice = read_notice(entry)
            upto[notice.shard] = max(notice.upto, upto.get(notice.shard, 0))
    fetched: dict[int, deque[AccountChange]] = defaultdict(deque)
    starts = {shard: drained_to(shard, last) for shard, last in upto.items()}
    wanted = [(shard, starts[shard], last) for shard, last in upto.items() if starts[shard] < last]
    while wanted:
        pages = await accounts.next_changes(wanted)
        left = []
        for (shard, _, last), (page, more) in zip(wanted, pages, strict=True):
            fetched[shard].extend(page)
            if more:
                left.append((shard, page[-1].change_id, last))
        wanted = left
    return fetched
