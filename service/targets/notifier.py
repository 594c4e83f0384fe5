"""How targets are told: a message a burst, by apprise, in a thread for each.

Apprise blocks, and what it calls may hang: nobody waits for it longer than a time, and a target is
sent nothing more while its last thread is at it. So there are never more threads than targets, and
one that hangs holds up nobody else. What it logs may have secrets in it and is not passed on.
"""

import asyncio
import contextlib
import logging
import os
import re
import sys
import threading

import apprise

from service.contract.selection import select
from service.contract.targets import Notification, read_notification, read_target, service_of
from service.contract.webhooks import write
from service.errors import InvalidInput
from service.store.keys import split_tenant_key
from service.store.receivers import Addressee
from service.targets import guard
from service.targets.wording import kept_of, notification_of
from service.webhooks.batches import Batch, Size
from service.webhooks.delivery import Wanted
from service.webhooks.sender import Outcome, Rules

_CONNECT_S, _READ_S = 10.0, 10.0
_SIZE = Size(alerts_max=100_000, bytes_max=64 * 2**20, scanned_max=200_000)
_STATUS = re.compile(r"\berror[ =](\d{3})\b")
_KINDS = {
    "success": apprise.NotifyType.SUCCESS,
    "warning": apprise.NotifyType.WARNING,
    "failure": apprise.NotifyType.FAILURE,
    "info": apprise.NotifyType.INFO,
}


class _Overheard(logging.Handler):
    """Keeps of what a thread's plugin logs the status it was answered, and nothing else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if found := _STATUS.search(record.getMessage()):
            self.heard.status = found[1]


def _quiet() -> _Overheard:
    """Let nobody log what is sent, and where: URLs have secrets in them."""
    for name in ("urllib3", "requests", "charset_normalizer"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    overheard, logger = _Overheard(), logging.getLogger("apprise")
    logger.handlers[:], logger.propagate = [overheard], False
    logger.setLevel(logging.WARNING)
    return overheard


def seal_process() -> None:
    """Leave no way round for what is called: no proxies, no passwords of who runs us."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    os.environ["NETRC"] = os.devnull
    sys.dont_write_bytecode = True


class Notifier:
    """The road to targets. `timeout_s` is for a message; a plugin may make several calls."""

    size = _SIZE

    def __init__(self, rules: Rules, timeout_s: float = 30.0) -> None:
        guard.install()
        self._rules = rules
        self._timeout_s = timeout_s
        self._overheard = _quiet()
        self._threads: dict[str, threading.Thread] = {}
        self._asset = apprise.AppriseAsset(
            app_id="Plimsoll",
            app_desc="Plimsoll",
            app_url="",
            storage_mode="memory",
            http_redirects=False,
        )
        apprise.Apprise.instantiate("json://localhost", asset=self._asset)  # imports all plugins

    def wanted(self, key: str, doc: bytes) -> Wanted:
        target = read_target(doc)
        tenant, _ = split_tenant_key(key)
        selection = select(tenant, target.accounts, target.levels, target.silenced)
        return Wanted(selection, target.window_s)

    def kept(self, alert: bytes) -> bytes:
        return kept_of(alert)

    def body(self, _key: str, _begun_at_ms: int, batch: Batch) -> bytes:
        return write(notification_of(batch.alerts, recovered=batch.recovered))

    async def send(self, key: str, to: Addressee, named: str, body: bytes) -> Outcome:
        """Send a message; whatever goes wrong is an outcome, in words that quote nothing."""
        at_it = self._threads.get(key)
        if at_it is not None and at_it.is_alive():
            return Outcome("the message before has not ended yet")
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        url, told = to.secrets.decode(), read_notification(body)

        def settle(error: str) -> None:
            if not ended.done():
                ended.set_result(error)

        def run() -> None:
            error = self._send(url, told, named)
            with contextlib.suppress(RuntimeError):  # nobody is there any more
                loop.call_soon_threadsafe(settle, error)

        thread = threading.Thread(target=run, name="target", daemon=True)
        self._threads[key] = thread
        thread.start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return Outcome(await ended)
        except TimeoutError:
            return Outcome(f"not taken within {self._timeout_s:g} s")

    def _send(self, url: str, told: Notification, named: str) -> str:
        """Send in this thread; return what went wrong, empty: nothing."""
        rules = self._rules
        try:
            service_of(url, allow_http=rules.allow_http, allow_private=rules.allow_private)
        except InvalidInput as refused:  # the settings or the list were others then
            return refused.faults[0].detail
        self._overheard.heard.status = ""
        with guard.guarded(allow_private=rules.allow_private):
            try:
                sent = self._notify(url, told, named)
            except Exception:  # a plugin's own mistake, whose words may have secrets in them
                sent = False
        if sent:
            return ""
        status = self._overheard.heard.status
        return guard.refusal() or (f"answered {status}" if status else "could not be sent")

    def _notify(self, url: str, told: Notification, named: str) -> bool:
        plugin = apprise.Apprise.instantiate(url, asset=self._asset)
        if plugin is None:
            return False
        plugin.socket_connect_timeout, plugin.socket_read_timeout = _CONNECT_S, _READ_S
        plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
        return bool(
            plugin.notify(
                title=told.title,
                # The same when it is sent again, so that a repeat can be told.
                body=f"{told.body}\n\n{named}",
                notify_type=_KINDS[told.kind],
                body_format=apprise.NotifyFormat.TEXT,
            )
        )
