"""What the supervisor asks of parts that need an extra, before it starts them; it runs none.

What it asks is imported where a part is wanted: most services want none.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import InvalidInput
from service.feeds.venue import CCXT
from service.settings import Settings
from service.supervisor.children import StartError
from service.tracing import INSTALL, is_available

if TYPE_CHECKING:
    from service.sync.configured import Configured


def configured_of(settings: Settings) -> "Configured":
    """Return the accounts that are to be kept; raises InvalidInput."""
    from service.sync.configured import read_configured  # noqa: PLC0415 - see above

    if settings.sync_file is None:
        raise InvalidInput("name the accounts in a file: PLIMSOLL_SYNC_FILE")
    return read_configured(Path(settings.sync_file), os.environ)


def check_extras(settings: Settings) -> None:
    """Raise StartError when a part is wanted whose extra is not there."""
    check_targets(settings)
    if settings.otlp_endpoint is not None and not is_available():
        raise StartError(INSTALL)
    by_ccxt = any(name.startswith(CCXT) for name in settings.feeds)
    if settings.sync_file is not None or by_ccxt:
        _check_ccxt(settings)


def check_targets(settings: Settings) -> None:
    """Raise StartError when targets are wanted and cannot be told."""
    if settings.targets and importlib.util.find_spec("apprise") is None:
        raise StartError("PLIMSOLL_TARGETS=true needs apprise: pip install 'plimsoll-risk[notify]'")


def _check_ccxt(settings: Settings) -> None:
    from service.imports.ccxt_pro import check_installed  # noqa: PLC0415 - see above

    try:
        if settings.sync_file is not None:
            configured_of(settings)
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
