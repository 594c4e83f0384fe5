"""What the supervisor asks of parts that need an extra, before it starts them; it runs none."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.errors import InvalidInput
from service.feeds.venue import CCXT
from service.imports.ccxt_pro import check_installed
from service.settings import Settings
from service.supervisor.children import StartError
from service.sync.configured import Configured, read_configured


def configured_of(settings: Settings) -> Configured:
    """Return the accounts that are to be kept; raises InvalidInput."""
    if settings.sync_file is None:
        raise InvalidInput("name the accounts in a file: PLIMSOLL_SYNC_FILE")
    return read_configured(Path(settings.sync_file), os.environ)


def check_extras(settings: Settings) -> None:
    """Raise StartError when feeds by ccxt or account sync are wanted and cannot be."""
    try:
        if settings.sync_file is not None:
            configured_of(settings)
            check_installed()
        if any(name.startswith(CCXT) for name in settings.feeds):
            check_installed()
    except InvalidInput as error:
        raise StartError(error.detail) from None


def by_process(feeds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield a name and `PLIMSOLL_FEEDS` for each process: our own feeds in one, ccxt's apart."""
    own = [name for name in feeds if not name.startswith(CCXT)]
    if own:
        yield "feeds", ",".join(own)
    for name in feeds:
        if name.startswith(CCXT):
            yield name.removeprefix(CCXT), name
