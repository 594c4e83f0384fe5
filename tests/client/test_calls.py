"""Every call against a real service, by both clients; every refusal is an error with its code."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from plimsoll import (
    AsyncClient,
    Client,
    InvalidRequest,
    NotFound,
    PlimsollError,
    Problem,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
    VersionMismatch,
)
from plimsoll.calls import delete_account, problem_of, put_accounts, read_answer
from plimsoll.errors import PROBLEM_OF_STATUS
from tests.api.workers import one_tier
from tests.client.conftest import ACCOUNTS_MAX
from tests.e2e.running_service import RunningService, until

Ask = Callable[..., Any]
# As ccxt's `fetch_positions()` gives one, shortened by keys that are like others.
CCXT_POSITION: dict[str, object] = {
    "info": {"symbol": "BTCUSDT", "positionAmt": "0.100", "adlQuantile": "1", "nested": [None, {}]},
    "id": None,
    "symbol": "BTC/USDT:USDT",
    "contracts": 0.1,
    "contractSize": 1.0,
    "unrealizedPnl": -500.0,
    "leverage": 10.0,
    "liquidationPrice": None,
    "collateral": 540.0,
    "notional": 5500.0,
    "markPrice": 55_000.0,
    "entryPrice": 60_000.0,
    "timestamp": 1_760_130_000_000,
    "datetime": "2025-10-10T21:00:00.000Z",
    "marginMode": "cross",
    "side": "long",
    "hedged": False,
    "percentage": -92.6,
}
BALANCES = [{"asset": "USDT", "amount": 540}]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, service: RunningService) -> Ask:
    """Calls a method of a client by its name."""

    def synchronous(name: str, *arguments: Any, **named: Any) -> Any:
        with Client(service.url, trust_env=False) as client:
            return getattr(client, name)(*arguments, **named)

    def awaited(name: str, *arguments: Any, **named: Any) -> Any:
        async def call() -> Any:
            async with AsyncClient(service.url, trust_env=False) as client:
                answer = getattr(client, name)(*arguments, **named)
                assert inspect.isawaitable(answer)
                return await answer

        return asyncio.run(call())

    return synchronous if request.param == "sync" else awaited


def test_ccxt_positions_are_evaluated_as_they_are(ask: Ask) -> None:
    terms = one_tier()
    positions = [CCXT_POSITION]
    answer = ask("evaluate", positions=positions, balances=BALANCES, instruments=[terms])
    assert answer.problems == []
    (account,) = answer.accounts
    assert (account.equity, account.maintenance_margin) == (40.0, pytest.approx(55.0))
    assert account.level == "LIQUIDATION"
    assert account.positions[0].mark_source == "position"
    (reduction,) = account.to_restore.reduce
    assert 0 < reduction.contracts < 0.1

    marks = {"BTC/USDT:USDT": "60000"}
    two = [
        {"id": "x", "balances": BALANCES, "positions": positions},
        {"id": "y", "balances": BALANCES, "positions": [{**CCXT_POSITION, "contracts": -1}]},
    ]
    answer = ask("evaluate", two, marks=marks, instruments=[terms])
    assert [(each.id, each.level) for each in answer.accounts] == [("x", "HEALTHY")]
    assert answer.problems[0].pointer.startswith("/accounts/1/positions/0")


def test_health_likelihood_and_size_are_asked_for(ask: Ask) -> None:
    symbol = str(CCXT_POSITION["symbol"])
    terms, position = [one_tier()], {**CCXT_POSITION, "stopLossPrice": 10}
    answer = ask(
        "evaluate",
        positions=[position],
        balances=BALANCES,
        instruments=terms,
        health_limits={"leverageMax": 1_000},
        horizon_s=3_600,
        volatility={symbol: {"annual": 0.5}},
    )
    (account,) = answer.accounts
    codes = [finding.code for finding in account.findings]
    assert "stop_loss_above_budget" in codes
    assert "leverage_above_limit" not in codes
    (likelihood,) = account.likelihood.positions
    assert (likelihood.liquidation, likelihood.volatility.source) == (1.0, "request")
    sized = ask(
        "size",
        {
            "symbol": symbol,
            "side": "short",
            "entryPrice": 100,
            "stopPrice": 105,
            "budget": 50,
            "capital": 1_000,
            "instruments": terms,
        },
    )
    assert (sized.bound_by, sized.loss_at_stop) == ("budget", pytest.approx(50))


def check_health(ask: Ask, name: str) -> None:
    """Of an account at liquidation, without a stop."""
    assert ask("account_risk", name).findings is None
    risk = ask("account_risk", name, findings=True, horizon_s=60)
    assert risk.likelihood.liquidation.at_most == 1
    checked = ask("health", name)
    codes = [finding.code for finding in checked.findings]
    assert codes == [finding.code for finding in risk.findings]
    assert "no_stop_loss" in codes


def check_listed(ask: Ask, name: str) -> None:
    """Of the same: it is among the worst."""
    worst = ask("list_accounts", "LIQUIDATION").accounts
    assert [each.margin_ratio for each in worst if each.id == name] == [1.0]
    assert len(ask("list_accounts", "LIQUIDATION", limit=1).accounts) == 1


def test_an_account_from_its_first_write_to_its_end(ask: Ask) -> None:
    symbol, name = "LIFE/USDT:USDT", "desk-7:al@ice"
    since = ask("page_alerts", limit=1_000).cursor
    stored = ask("put_instruments", [one_tier(symbol, base="LIFE")])
    assert (stored.accepted, stored.refused) == (1, 0)
    (terms,) = ask("get_instruments", symbol=symbol)
    assert terms["tiers"][0]["maintenanceMarginRate"] == 0.01
    assert ask("post_marks", [{"symbol": symbol, "markPrice": 100}]).accepted == 1

    position = {"symbol": symbol, "side": "long", "contracts": 10, "entryPrice": 100}
    account = {"balances": [{"asset": "USDT", "amount": 100}], "positions": [position]}
    first = ask("put_account", name, account)
    second = ask("put_account", name, account, if_version=first.version)
    assert second.version > first.version
    with pytest.raises(VersionMismatch) as stale:
        ask("put_account", name, account, if_version=first.version)
    assert (stale.value.status, stale.value.code) == (412, "version_mismatch")
    assert ask("get_account", name)["positions"][0]["contracts"] == 10
    # Nobody is declared liquidated on a mark that is stale, as it is by now on a slow machine.
    assert ask("post_marks", [{"symbol": symbol, "markPrice": 100}]).accepted == 1
    adjusted = ask("adjust_account", name, "USDT", -90, "withdrawal", if_version=second.version)
    assert adjusted.amount == 10.0

    def logged() -> Any:
        page = ask("page_alerts", since, account_id=name)
        return [alert for alert in page.alerts if alert.cause == "withdrawal"]

    (alert,) = until(logged)
    assert (alert.level, alert.account_id) == ("LIQUIDATION", name)
    assert alert.to_restore.deposit > 0
    first = ask("acknowledge", alert.id)
    assert (first.id, ask("acknowledge", alert.id)) == (alert.id, first)
    (seen,) = ask("page_alerts", since, account_id=name, acknowledged=True).alerts
    assert seen.id == alert.id
    left = ask("page_alerts", since, account_id=name, acknowledged=False).alerts
    assert alert.id not in [each.id for each in left]
    with pytest.raises(NotFound):
        ask("acknowledge", f"{name}-999")
    risk = ask("account_risk", name)
    assert (risk.level, risk.version) == ("LIQUIDATION", adjusted.version)
    assert [pool.level for pool in risk.monitored] == ["LIQUIDATION"]
    check_health(ask, name)
    check_listed(ask, name)
    assert ask("get_marks", symbol=symbol)[0]["markPrice"] == 100

    assert ask("delete_account", name) is None
    with pytest.raises(NotFound) as gone:
        ask("get_account", name)
    assert gone.value.code == "unknown_account"
    until(lambda: name not in {each.id for each in ask("list_accounts", "UNPRICED").accounts})


def test_many_accounts_go_up_as_they_are_made(ask: Ask, service: RunningService) -> None:
    """More than a list may have. Refused ones are named, by their place."""
    names = [f"many-{number}" for number in range(ACCOUNTS_MAX + 10)]
    made = ({"id": name, "balances": BALANCES} for name in names)
    assert ask("put_accounts", made).accepted == ACCOUNTS_MAX + 10
    for name in names:  # others ask about all there are
        assert service.http.delete(f"/v1/accounts/{name}").is_success
    some = ask("put_accounts", [{"id": "fine"}, {"id": "not fine"}, {"id": "fine-too"}])
    assert (some.accepted, some.refused) == (2, 1)
    refused = [result for result in some.results if result.status == "refused"]
    assert [(each.index, each.errors[0].pointer) for each in refused] == [(1, "/1/id")]


def test_a_refusal_says_where_and_why(ask: Ask) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask("put_account", "a1", {"positions": [{"symbol": "X", "contracts": "many"}]})
    (fault,) = refused.value.errors
    assert (refused.value.status, fault.pointer) == (422, "/positions/0/contracts")
    assert fault.pointer in str(refused.value)
    with pytest.raises(InvalidRequest) as nothing_taken:
        ask("post_marks", [{"symbol": "X", "markPrice": -1}])
    assert [each.status for each in nothing_taken.value.results] == ["refused"]
    with pytest.raises(InvalidRequest) as no_cursor:
        ask("page_alerts", "no cursor")
    assert no_cursor.value.code == "invalid_cursor"


def test_what_no_json_can_say_is_not_sent(ask: Ask) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        ask("post_marks", [{"symbol": "X", "markPrice": float("nan")}])


def test_accounts_or_positions_are_asked_about() -> None:
    with Client() as client:
        with pytest.raises(TypeError, match="give `accounts`"):
            client.evaluate()
        with pytest.raises(TypeError, match="give `accounts`"):
            client.evaluate([{"id": "a"}], positions=[CCXT_POSITION])
        with pytest.raises(TypeError, match="go with `positions`"):
            client.evaluate([{"id": "a"}], venue="okx")


def test_nobody_there_is_an_error_of_its_own() -> None:
    with Client("127.0.0.1:1", trust_env=False) as client, pytest.raises(Unreachable):
        client.get_marks()


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "ws://host"])
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Client(url)


def test_a_proxys_error_is_a_problem_too() -> None:
    problem = problem_of(502, b"<html>Bad Gateway", "soon")
    assert type(problem) is Problem
    assert (problem.status, problem.code, problem.retry_after_s) == (502, "http_error", None)
    assert type(problem_of(413, b"[]")) is TooLarge
    assert problem_of(429, b"", "7").retry_after_s == 7.0
    assert set(PROBLEM_OF_STATUS.values()) <= set(Problem.__subclasses__())


def test_an_answer_of_something_else_is_not_guessed_at() -> None:
    read = put_accounts([]).read
    answers: tuple[object, ...] = (None, {"accepted": 1}, [])
    for answer in answers:
        with pytest.raises(UnexpectedAnswer):
            read(answer)
    assert issubclass(UnexpectedAnswer, PlimsollError)


def test_a_redirection_is_no_success() -> None:
    with pytest.raises(Problem) as moved:
        read_answer(delete_account("a1", None), 307, b"", None)
    assert moved.value.status == 307


def test_lines_are_sent_in_parts() -> None:
    accounts = [{"id": f"account-{number}"} for number in range(10_000)]
    parts = list(put_accounts(accounts).parts or ())
    assert 2 < len(parts) < 10
    assert b"".join(parts).count(b"\n") == 10_000
    assert all(part.endswith(b"\n") for part in parts)
