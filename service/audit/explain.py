"""An alert derived again from the recorded marks and account versions, and explained line by line.

Why this can be trusted: what is judged is read back from the store (`evidence`), never from a
monitor's memory. It is summed up on another way than the monitor's, one number after the other
without columns or compiled code (`sums`, `standing`), and walked through the stream by itself
(`walk`); only what has to be solved for is asked of the service's own functions (`derive`). Every
field must then be what was logged, bit for bit. What is not kept any more is said, never guessed.
"""

from service.audit.derive import Compared, compare, derive
from service.audit.evidence import Archive
from service.audit.walk import Walk, symbols_of, walk
from service.audit.words import steps_of
from service.contract.audited import AuditedAlert, AuditedField, AuditedMark
from service.contract.quality import QUALITY_NAMES
from service.risk.model import Account
from service.store.history import History
from service.store.market_stream import MarketStream


async def explain(
    history: History, market: MarketStream, pegged: frozenset[str], account_key: str, seq: int
) -> AuditedAlert:
    """Return an alert of an account, derived again; raises UnknownAlert, NoLongerKept."""
    archive = Archive(history, market)
    evidence = await archive.find(account_key, seq)
    started_from = evidence.start.market_id
    walked = await walk(evidence, archive, pegged)
    derived = derive(walked, pegged)
    fields = compare(evidence.raw, derived)
    return AuditedAlert(
        evidence.alert.id,
        all(one.equal for one in fields) and not walked.surprises,
        evidence.alert,
        steps_of(walked, derived),
        _marks(walked, evidence.versions[-1].account),
        [_field(one) for one in fields],
        walked.surprises,
        started_from,
        walked.entries,
    )


def _field(one: Compared) -> AuditedField:
    return AuditedField(one.name, one.logged, one.derived, one.equal)


def _marks(walked: Walk, account: Account | None) -> list[AuditedMark]:
    """Return the marks that an account's figures went by."""
    found = []
    for symbol in sorted(set() if account is None else symbols_of(account)):
        used = walked.recorded.mark_of(account.venue, symbol) if account else None
        if used is None:
            continue
        mark = used.mark
        found.append(
            AuditedMark(
                mark.venue,
                mark.symbol,
                mark.mark_price,
                mark.index_price,
                used.market_id,
                used.event_time_ms,
                QUALITY_NAMES[used.verdict.quality],
            )
        )
    return found
