"""Marks straight into the market stream, for feeds that run beside the service; each batch once."""

import asyncio
import uuid
from collections.abc import Sequence

import orjson

from service.contract.marks import decode_mark, encode_mark
from service.errors import StoreUnavailable
from service.feeds.sinks import RETRY_FIRST_S, RETRY_MAX_S
from service.feeds.tape import MarkDoc
from service.store.market_stream import MarketStream, NewMark


class StoreSink:
    """Appends marks under a producer's name and numbers its batches.

    A batch whose answer was lost is sent again under its number, which the stream recognises: it
    is in once, whatever happened.
    """

    def __init__(self, stream: MarketStream, give_up_after_s: float) -> None:
        self._stream = stream
        self._give_up_after_s = give_up_after_s
        self._producer = f"feed-{uuid.uuid4().hex}"
        self._batch = 0

    async def send(self, marks: Sequence[MarkDoc]) -> list[str | None]:
        """Return each mark's refusal code, None where it was accepted.

        Raises InvalidInput for what is no mark, StoreUnavailable after `give_up_after_s` of outage.
        """
        new = [_new_mark(mark) for mark in marks]
        self._batch += 1
        loop = asyncio.get_running_loop()
        deadline, delay_s = loop.time() + self._give_up_after_s, RETRY_FIRST_S
        while True:
            try:
                results = await self._stream.append_marks(new, self._producer, self._batch)
            except StoreUnavailable:
                if loop.time() + delay_s > deadline:
                    raise
                await asyncio.sleep(delay_s)
                delay_s = min(2.0 * delay_s, RETRY_MAX_S)
            else:
                return [result if isinstance(result, str) else None for result in results]


def _new_mark(document: MarkDoc) -> NewMark:
    mark = decode_mark(orjson.dumps(document))
    return NewMark(
        mark.venue, mark.symbol, encode_mark(mark), mark.timestamp_ms, mark.source, mark.mark_price
    )
