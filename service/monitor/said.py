"""What a monitor's log says of alerts, at `debug`: which they are and where they stand."""

import logging
from collections.abc import Iterable

from service.contract.alerts import ids_of
from service.logs import fields
from service.store.alert_log import Commit
from service.store.log_entries import split_alerts

_log = logging.getLogger(__name__)


def say_logged(commits: Iterable[tuple[int, Commit]]) -> None:
    """Say of each commit with alerts, once it is answered, what it has brought into the log."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    for shard, commit in commits:
        offset = commit.offset
        for block in commit.blocks:
            last = offset + len(block.account_keys)
            ids = ids_of(split_alerts(block.alerts))
            place = {"shard": shard, "offsets": [offset + 1, last], "marketId": commit.market_id}
            _log.debug("alerts are in the log", extra=fields(**place, alerts=ids))
            offset = last
