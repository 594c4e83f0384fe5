"""The example bots and the snippets of the client's README, run for real."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plimsoll import Client
from tests.api.workers import one_tier
from tests.e2e.running_service import RunningService, until

CLIENT = Path(__file__).parents[2] / "client"
README = (CLIENT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"
SYMBOLS = ("ONE/USDT:USDT", "TWO/USDT:USDT")


def snippet(heading: str) -> str:
    """The Python block of one section."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert isinstance(code, str)
    return code


def run(code: str, folder: Path, url: str) -> list[str]:
    """Run a snippet to its end; return what it printed."""
    command = [sys.executable, "-c", code.replace(ADDRESS, url)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@contextlib.contextmanager
def running(command: list[str], folder: Path, url: str) -> Iterator[Path]:
    """Something that runs until the block ends; the file of what it has said."""
    said = folder / "said.txt"
    environment = os.environ | {"PLIMSOLL_URL": url, "PYTHONUNBUFFERED": "1"}
    with said.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=out, stderr=out, cwd=folder, env=environment
        )
    try:
        yield said
    finally:
        process.kill()
        process.wait()


def test_the_snippet_that_asks(service: RunningService, tmp_path: Path) -> None:
    account, reduction = run(snippet("Ask"), tmp_path, service.url)
    level, _, liquidation_price = account.split()
    assert level == "WARNING"
    assert float(liquidation_price) == pytest.approx(5_460 / (0.1 * 0.996))
    assert re.match(r"healthy again by closing 0\.0\d+ BTC/USDT:USDT$", reduction)


def test_the_snippets_that_watch_and_listen(service: RunningService, tmp_path: Path) -> None:
    run(snippet("Watch"), tmp_path, service.url)
    with Client(service.url) as client:
        until(lambda: "my-bot" in {each.id for each in client.list_accounts("WARNING").accounts})
        level, listed = run(snippet("Watch"), tmp_path, service.url)
        assert level == "WARNING"
        assert "'my-bot'" in listed
        gap, funds, *mapped, market, counted = run(snippet("Suppose"), tmp_path, service.url)
        assert gap.startswith("a gap me owes ")
        assert "('generic', 'USDC', " in funds
        assert [line.split()[0] for line in mapped] == ["-60.0", "0.0", "60.0"]
        assert market.startswith("SOL/USDC:USDC 183.0 None [")
        assert "'my-bot'" in counted.partition("]")[0]
        code = snippet("Listen").replace(ADDRESS, service.url)
        with running(["-c", code], tmp_path, service.url) as said:
            until(lambda: "my-bot is at WARNING" in said.read_text())
            until((tmp_path / "cursor.txt").exists)
            client.post_marks([{"symbol": "SOL/USDC:USDC", "markPrice": 182}])
            until(lambda: "my-bot WARNING -> MARGIN_CALL" in said.read_text())
        client.delete_account("my-bot")


def danger(client: Client, account_id: str, balance: float = 110.0) -> None:
    """Store an account with two positions, of which the second is the nearer to liquidation: at
    MARGIN_CALL with a balance of 110, at WARNING with 150."""
    client.put_instruments([one_tier(symbol, base=symbol[:3]) for symbol in SYMBOLS])
    client.post_marks([{"symbol": symbol, "markPrice": 100} for symbol in SYMBOLS])
    positions = [
        {"symbol": symbol, "side": "long", "contracts": contracts, "entryPrice": 100}
        for symbol, contracts in zip(SYMBOLS, (10, 90), strict=True)
    ]
    balances = [{"asset": "USDT", "amount": balance}]
    client.put_account(account_id, {"balances": balances, "positions": positions})


def orders(said: Path) -> list[str]:
    return [line for line in said.read_text().splitlines() if line.startswith("order ")]


def test_the_bot_closes_what_makes_the_account_healthy(
    service: RunningService, tmp_path: Path
) -> None:
    bot = [str(CLIENT / "examples" / "close_positions.py"), "risky*"]
    with Client(service.url) as client:
        danger(client, "risky")
        danger(client, "risky-less", 150.0)  # in the snapshot too, and no reason for an order
        until(lambda: client.account_risk("risky-less").monitored)
        until(lambda: client.account_risk("risky").monitored)
        with running(bot, tmp_path, service.url) as said:
            until(lambda: orders(said))
            until((tmp_path / "orders-cursor.txt").exists)
            (order,) = orders(said)
            found = re.match(r"order (risky-\d+)-0: sell ([0-9.]+) (\S+), reduce only", order)
            assert found is not None, order
            assert found[3] == SYMBOLS[1]
            # Filled, as the bot that keeps accounts up to date with the exchange would see it.
            stored = client.get_account("risky")
            left = 90 - float(found[2]) * (1 + 1e-4)  # the print has six digits
            one, two = stored["positions"] or ()
            closed = {**two, "contracts": left}
            written = {"balances": stored["balances"], "positions": [one, closed]}
            client.put_account("risky", written, if_version=stored["version"])
            assert client.account_risk("risky").level == "HEALTHY"
        # Started again, it does not order again what is mended.
        with running(bot, tmp_path, service.url) as said:
            danger(client, "risky-too")
            until(lambda: len(orders(said)) == 2)
        assert "order risky-too-" in orders(said)[1]


def test_old_alerts_are_no_orders(service: RunningService, tmp_path: Path) -> None:
    """What went wrong and was mended while the bot was away: it asks before it acts."""
    bot = [str(CLIENT / "examples" / "close_positions.py"), "mended*"]
    cursor = tmp_path / "orders-cursor.txt"
    with Client(service.url) as client:
        with running(bot, tmp_path, service.url):
            until(cursor.exists)
        danger(client, "mended")
        until(lambda: client.page_alerts(account_id="mended").alerts)
        client.adjust_account("mended", "USDT", 10_000, "deposit")
        danger(client, "mended-not")
        with running(bot, tmp_path, service.url) as said:
            until(lambda: orders(said))
        assert all(line.startswith("order mended-not-") for line in orders(said))


def test_the_printing_bot_shows_the_state_and_then_what_changes(
    service: RunningService, tmp_path: Path
) -> None:
    bot = [str(CLIENT / "examples" / "print_alerts.py"), "shown"]
    with Client(service.url) as client:
        danger(client, "shown")
        until(lambda: client.account_risk("shown").monitored)
        level = client.account_risk("shown").level
        with running(bot, tmp_path, service.url) as said:
            until(lambda: f"shown is at {level}" in said.read_text())
            client.adjust_account("shown", "USDT", -100, "withdrawal")
            until(lambda: f"shown {level} -> LIQUIDATION" in said.read_text())
