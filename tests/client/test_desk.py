"""What a desk asks, against a real service by both clients: scenarios, maps, funds, markets."""

import pytest

from plimsoll import Book, InvalidRequest, NotFound, Simulation, VersionMismatch
from tests.api.workers import account, long, one_tier
from tests.client.test_calls import Ask, ask
from tests.e2e.running_service import until

__all__ = ["ask"]

BTC = "BTC/USDT:USDT"


def test_a_gap_is_supposed_and_somebody_pays(ask: Ask) -> None:
    request = {
        "accounts": [{"id": "a1", "venue": "binance", **account(long(), usdt=600)}],
        "marks": {BTC: 60_000},
        "instruments": [one_tier(BTC, venue="binance")],
        "funds": [{"venue": "binance", "asset": "USDT", "balance": 100}],
        "grid": {"axes": [{"pct": [-12]}]},
        "scenarios": [
            {"name": "a gap", "shocks": {"pct": {BTC: -12}}},
            {"actions": [{"type": "deposit", "accountId": "a1", "asset": "USDT", "amount": 9e4}]},
        ],
    }
    simulated = ask("simulate", request)
    assert isinstance(simulated, Simulation)
    gap, helped, grid = simulated.scenarios
    assert (gap.name, gap.levels["BANKRUPT"], grid.moves) == ("a gap", 1, {"*": -12.0})
    (total,) = gap.totals
    assert (total.liquidated, total.owed, total.worst_account_id) == (1, 0.0, None)
    (fund,) = gap.funds
    assert fund.before == 100.0
    assert fund.after == pytest.approx(100.0 - fund.paid)
    (liquidation,) = gap.liquidations
    assert (liquidation.pool.kind, liquidation.positions[0].mark_price) == ("cross", 52_800.0)
    assert (helped.liquidations, helped.accounts[0].level) == ([], "HEALTHY")
    (conserved,) = gap.conservation
    assert conserved.total_in == pytest.approx(conserved.total_out)
    assert (simulated.price_basis, simulated.problems) == ("mark", [])
    with pytest.raises(InvalidRequest):
        ask("simulate", {**request, "priceBasis": "guess"})


def test_the_book_is_listed_counted_supposed_and_mapped(ask: Ask) -> None:
    symbol = "DESK/USDT:USDT"
    ask("put_instruments", [one_tier(symbol, base="DESK")])
    ask("post_marks", [{"symbol": symbol, "markPrice": 100}])
    position = {"symbol": symbol, "side": "long", "contracts": 10, "entryPrice": 100}
    holding = {"balances": [{"asset": "USDT", "amount": 30}], "positions": [position]}
    ask("put_account", "desk.of-many", holding)

    def listed() -> list[str]:
        page = ask("list_accounts", "HEALTHY", match="of-m", counts=True)
        assert page.counts is None or sum(page.counts.values()) >= len(page.accounts)
        return [each.id for each in page.accounts]

    until(lambda: listed() == ["desk.of-many"])
    assert ask("list_accounts", "HEALTHY", match="nobody-has-this").accounts == []
    assert ask("list_accounts", "HEALTHY", limit=1).counts is None

    move = {"scenarios": [{"shocks": {"pct": {symbol: -5}}}]}
    book = ask("simulate_monitored", {**move, "settledBy": "sums", "worst": 1})
    assert isinstance(book, Book)
    (moved,) = book.scenarios
    assert (moved.worst, moved.owed_usd) == ([], None), "nothing here says what USDT is in USD"
    assert moved.unranked >= 1
    assert {total.asset for total in moved.totals} >= {"USDT"}
    queue = ask("simulate_monitored", {**move, "settledBy": "queue"})
    assert isinstance(queue, Simulation)
    assert "desk.of-many" in {each.account_id for each in queue.scenarios[0].liquidations}

    asked = {"symbol": symbol, "fromPct": -5, "toPct": 0, "points": 2}
    below, here = ask("map_liquidations", {"map": asked}).points
    assert (below.move_pct, below.accounts, here.accounts) == (-5.0, 1, 0)
    assert below.by_asset[0].long_notional == pytest.approx(950.0)
    ask("delete_account", "desk.of-many")


def test_a_fund_is_put_and_seen(ask: Ask) -> None:
    written = ask("put_fund", "phemex", "USDT", {"balance": "250", "eventLimit": 50})
    with pytest.raises(VersionMismatch):
        ask("put_fund", "phemex", "USDT", {"balance": 1}, if_version=written.version + 1)
    again = ask("put_fund", "phemex", "USDT", {"balance": 300}, if_version=written.version)
    assert again.version > written.version
    fund = ask("get_fund", "phemex", "USDT")
    assert (fund.balance, fund.event_limit, fund.version) == (300.0, None, again.version)
    assert fund.asset in {each.asset for each in ask("list_funds") if each.venue == "phemex"}
    until(lambda: ask("get_fund", "phemex", "USDT").free == 300.0)
    with pytest.raises(NotFound):
        ask("get_fund", "phemex", "NONE")


def test_markets_say_how_they_are(ask: Ask) -> None:
    symbol = "MARKET/USDT:USDT"
    ask("post_marks", [{"symbol": symbol, "markPrice": 100, "indexPrice": 99, "venue": "okx"}])

    def shown() -> list[object]:
        return list(ask("get_markets", "okx", symbol).markets)

    (market,) = until(shown)
    assert (market.mark_price, market.volatility.total) == (100.0, None)
    assert market.volatility.reason == "warming_up"
    assert market.divergence.ratio == pytest.approx(100 / 99 - 1)
    assert ask("get_markets", "okx", symbol, condition="volatile").markets == []
    assert ask("get_markets", symbol=symbol, quality="suspect").markets == []
