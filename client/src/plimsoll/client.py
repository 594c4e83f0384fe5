"""The client for programs without an event loop; `AsyncClient` has the same methods, awaited."""

import os
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from plimsoll import calls
from plimsoll.alerts import Event
from plimsoll.answers import (
    AcknowledgedAlert,
    AdjustedAccount,
    AlertsPage,
    BatchResult,
    Evaluation,
    StoredAccountRisk,
    WrittenAccount,
)
from plimsoll.calls import Anything, Call, Questions
from plimsoll.checkup import Health, Size
from plimsoll.cursor_file import CursorFile
from plimsoll.desk import Desk
from plimsoll.documents import (
    Account,
    Balance,
    Instrument,
    Level,
    Mark,
    NamedAccount,
    Number,
    Position,
    Reason,
    StoredAccount,
    StoredMark,
    Trade,
    Venue,
)
from plimsoll.endpoint import Endpoint
from plimsoll.errors import Problem, Unreachable
from plimsoll.patience import Patience
from plimsoll.repeats import RETRY_FOR_S, delay_before_repeat
from plimsoll.stream import Stream
from plimsoll.subscription import Subscription

Answer = TypeVar("Answer")


class Client(Desk):
    """A service at `url`; `token` is an API key where the service wants one.

    Calls raise Problem when refused and Unreachable when unanswered. One that is refused for now
    (429, 503) is made again when the service says so, where that is safe and takes no longer than
    `retry_for_s` in all; 0: never.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retry_for_s: float = RETRY_FOR_S,
        trust_env: bool = True,
    ) -> None:
        self._retry_for_s = retry_for_s
        self._endpoint = Endpoint(url, token, trust_env)
        self._http = httpx.Client(
            base_url=self._endpoint.url,
            headers=self._endpoint.headers,
            timeout=timeout_s,
            trust_env=trust_env,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of the calls; subscriptions have their own."""
        self._http.close()

    def evaluate(
        self,
        accounts: Sequence[NamedAccount | Anything] | None = None,
        *,
        positions: Sequence[Position | Anything] | None = None,
        balances: Sequence[Balance | Anything] | None = None,
        venue: Venue | None = None,
        marks: Mapping[str, Number] | None = None,
        instruments: Sequence[Instrument | Anything] | None = None,
        betas: Mapping[str, Number] | None = None,
        gap_pct: Number | None = None,
        **questions: Unpack[Questions],
    ) -> Evaluation:
        """Evaluate accounts, or the positions of one as ccxt's `fetch_positions()` gives them.

        Nothing is stored. `marks` by symbol go before a position's own `markPrice`, that before the
        newest streamed one; `instruments` before stored ones. `gap_pct`: say of every pool who pays
        after such a jump of all its symbols, each as much of it as `betas` says (else all of it).
        `Questions` are what else can be asked.
        """
        call = calls.evaluate(
            accounts,
            positions=positions,
            balances=balances,
            venue=venue,
            marks=marks,
            instruments=instruments,
            betas=betas,
            gap_pct=gap_pct,
            questions=questions,
        )
        return self._send(call)

    def put_instruments(self, instruments: Sequence[Instrument | Anything]) -> BatchResult:
        """Store contract terms, each by itself."""
        return self._send(calls.put_instruments(instruments))

    def get_instruments(
        self, venue: Venue | None = None, symbol: str | None = None
    ) -> Sequence[Instrument]:
        """Return stored contract terms."""
        return self._send(calls.get_instruments(venue, symbol))

    def put_account(
        self, account_id: str, account: Account | Anything, *, if_version: int | None = None
    ) -> WrittenAccount:
        """Store what an account holds, in place of what it held; VersionMismatch: not done."""
        return self._send(calls.put_account(account_id, account, if_version))

    def put_accounts(self, accounts: Iterable[NamedAccount | Anything]) -> BatchResult:
        """Store any number of accounts, each by itself; they are sent as they are iterated."""
        return self._send(calls.put_accounts(accounts))

    def get_account(self, account_id: str) -> StoredAccount:
        """Return an account as it is stored."""
        return self._send(calls.get_account(account_id))

    def delete_account(self, account_id: str, *, if_version: int | None = None) -> None:
        """Remove an account; its versions and its alerts go on where they were if it comes back."""
        return self._send(calls.delete_account(account_id, if_version))

    def adjust_account(
        self,
        account_id: str,
        asset: str,
        delta: Number,
        reason: Reason,
        *,
        if_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> AdjustedAccount:
        """Change a balance by `delta`; an alert that it raises has `reason` as its cause.

        After Unreachable, the same call with the same `idempotency_key` is not done twice.
        """
        call = calls.adjust_account(
            account_id,
            asset,
            delta,
            reason,
            if_version=if_version,
            idempotency_key=idempotency_key,
        )
        return self._send(call)

    def account_risk(
        self, account_id: str, *, findings: bool = False, horizon_s: int | None = None
    ) -> StoredAccountRisk:
        """Evaluate a stored account now."""
        return self._send(calls.account_risk(account_id, findings, horizon_s))

    def health(self, account_id: str) -> Health:
        """Check a stored account by its own limits: what is over one, and what clears it."""
        return self._send(calls.health(account_id))

    def size(self, trade: Trade | Anything) -> Size:
        """Return the largest position, and the most leverage, for what a stop may lose."""
        return self._send(calls.size(trade))

    def post_marks(self, marks: Sequence[Mark | Anything]) -> BatchResult:
        """Report prices; they are judged in this order, each of them."""
        return self._send(calls.post_marks(marks))

    def get_marks(
        self, venue: Venue | None = None, symbol: str | None = None
    ) -> Sequence[StoredMark]:
        """Return the newest marks, with their ages."""
        return self._send(calls.get_marks(venue, symbol))

    def page_alerts(
        self,
        since: str | None = None,
        *,
        account_id: str | None = None,
        acknowledged: bool | None = None,
        limit: int | None = None,
    ) -> AlertsPage:
        """Return a page of the log after a cursor, of its beginning without one.

        `acknowledged` False: only what nobody has acknowledged yet; True: only the rest.
        """
        return self._send(calls.page_alerts(since, account_id, acknowledged, limit))

    def acknowledge(self, alert_id: str) -> AcknowledgedAlert:
        """Say that somebody has dealt with an alert, or will; NotFound when the log has it not."""
        return self._send(calls.acknowledge(alert_id))

    def alerts(
        self,
        accounts: Sequence[str] = ("*",),
        *,
        levels: Sequence[Level] | None = None,
        since: str | None = None,
        cursor_file: str | os.PathLike[str] | None = None,
        reconnect_delay_max_s: float = 10.0,
        give_up_after_s: float | None = None,
    ) -> Generator[Event, None, None]:
        """Yield alerts as they come, for ever; a lost connection is resumed where it broke off.

        `accounts` are ids, beginnings of ids ("desk-7.*") or "*"; `levels` those an alert rose or
        fell to. It begins behind the cursor in `cursor_file`, else behind `since`, else now. The
        file is written once the events before its cursor are dealt with, which is when the next
        one is asked for: after a crash some come again, none is left out.

        A Snapshot says what the log does not: see there. Raises StreamClosed, SubscriptionRefused
        and Problem when there is no use in coming back, and Unreachable after `give_up_after_s`.
        """
        file = None if cursor_file is None else CursorFile(cursor_file)
        begin = (file.read() if file else None) or since
        subscription = Subscription(accounts, levels, begin)
        patience = Patience(reconnect_delay_max_s, give_up_after_s)
        with Stream(self._endpoint, subscription, patience) as stream:
            while True:
                batch = stream.receive()
                yield from batch.events
                if file:
                    file.write(batch.cursor)

    def _send(self, call: Call[Answer]) -> Answer:
        left_s = self._retry_for_s
        while True:
            try:
                return self._send_once(call)
            except Problem as problem:
                delay_s = delay_before_repeat(call, problem, left_s)
                if delay_s is None:
                    raise
            time.sleep(delay_s)
            left_s -= delay_s

    def _send_once(self, call: Call[Answer]) -> Answer:
        try:
            response = self._http.request(
                call.method,
                call.path,
                params=call.query,
                headers=call.headers,
                content=call.parts if call.body is None else call.body,
            )
        except httpx.HTTPError as error:
            raise Unreachable(f"{call.method} {call.path}: {error!r}") from error
        retry_after = response.headers.get("retry-after")
        return calls.read_answer(call, response.status_code, response.content, retry_after)
