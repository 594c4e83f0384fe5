"""`plimsoll demo`: a service, accounts, a market that crashes and recovers, live alerts.

Nothing here is staged: the accounts go in by the REST calls, the marks too, and the picture is what
any subscriber of the WebSocket stream gets to see.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress

from service.demo import markets
from service.demo.accounts import demo_accounts
from service.demo.board import Board, export_svg
from service.demo.listener import Service, Wanted, stream_url
from service.demo.loading import load_accounts, load_market
from service.demo.watch import View, first_to_end, watch_stream
from service.feeds.cycle import Rhythm, run_cycle
from service.feeds.sinks import HttpSink
from service.feeds.synthetic import SyntheticMarket
from service.settings import Settings
from service.supervisor import resources
from service.supervisor.children import SUPERVISOR
from service.supervisor.serve import Running, running

GIVE_UP_AFTER_S = 60.0
SHOWN = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT", "XRP/USDT:USDT", "DOGE/USDT:USDT")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo runs; `seconds` None is until it is stopped, `url` None starts a service."""

    seconds: float | None = None
    plain: bool = False
    accounts: int = 320
    seed: int = 7
    url: str | None = None
    data_dir: Path | None = None  # None: a temporary one, gone afterwards
    any_port: bool = True  # take a free one when the setting's is taken
    picture: Path | None = None
    token: str | None = field(default=None, repr=False)  # None: the settings' bootstrap key, if any


async def run_demo(options: DemoOptions, settings: Settings, console: Console) -> None:
    """Run it for the seconds asked for, or until cancelled.

    Raises StartError when the service cannot start, ServiceError when it goes away or refuses.
    """
    board = Board("Plimsoll demo", SHOWN)
    async with contextlib.AsyncExitStack() as stack:
        ended: list[Awaitable[None]] = []
        url = options.url
        if url is None:
            started = await _start(options, settings, board, console, stack)
            url = started.url
            ended.append(started.ended)
        service = Service(url, options.token or _bootstrap(settings))
        client = await stack.enter_async_context(service.client(10.0))
        market = SyntheticMarket(markets.assets(), options.seed)
        board.accounts = await _load(client, market, options, console)
        board.urls = _addresses(url)
        board.title += f": {board.accounts} accounts on {len(markets.instruments())} contracts"
        board.forget_notes()
        try:
            async with asyncio.timeout(options.seconds):
                shown = _show(service, client, market, board, options=options, console=console)
                await first_to_end(shown, *ended)
        except TimeoutError:
            pass
        finally:
            _print(console, f"{board.alerts_seen} alerts seen")
            if options.picture is not None:
                export_svg(board, options.picture)
                _print(console, f"the picture is in {options.picture}")


async def _start(
    options: DemoOptions,
    settings: Settings,
    board: Board,
    console: Console,
    stack: contextlib.AsyncExitStack,
) -> Running:
    folder = options.data_dir
    if folder is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plimsoll-demo-")))
    folder.mkdir(parents=True, exist_ok=True)
    log = stack.enter_context((folder / "service.log").open("a", encoding="utf-8"))

    def say(who: str, text: str) -> None:
        log.write(f"{who:<9} {text}\n")
        log.flush()
        if who == SUPERVISOR:
            board.note(text)
            if options.plain:
                _print(console, f"{who}: {text}")

    if options.any_port and not resources.is_free(settings.host, settings.port):
        _print(console, f"port {settings.port} is taken; the demo takes another one")
        settings = settings.model_copy(update={"port": 0})
    settings = settings.model_copy(update={"data_dir": str(folder)})
    with _telling(console, options, "starting Valkey, a monitor and the API"):
        return await stack.enter_async_context(running(settings, say))


async def _load(
    client: httpx.AsyncClient, market: SyntheticMarket, options: DemoOptions, console: Console
) -> int:
    accounts = demo_accounts(options.accounts, options.seed)
    contracts = await load_market(client, market)
    with Progress(console=console, transient=True, disable=options.plain) as progress:
        bar = progress.add_task("loading accounts", total=len(accounts))
        async for loaded in load_accounts(client, accounts):
            progress.update(bar, completed=loaded)
    _print(console, f"loaded {contracts} contracts with their tiers and {len(accounts)} accounts")
    return len(accounts)


async def _show(
    service: Service,
    client: httpx.AsyncClient,
    market: SyntheticMarket,
    board: Board,
    *,
    options: DemoOptions,
    console: Console,
) -> None:
    """Listen and show; the market starts to move once the subscription stands."""
    if options.plain:
        for name, address in board.urls.items():
            _print(console, f"{name}: {address}")
    view = View(board, console, options.plain)
    await first_to_end(
        watch_stream(service, Wanted(marks=True), view, GIVE_UP_AFTER_S),
        _feed(client, market, board),
    )


async def _feed(client: httpx.AsyncClient, market: SyntheticMarket, board: Board) -> None:
    url = str(client.base_url).rstrip("/")

    def tell(phase: str) -> None:
        board.status = f"the market: {phase}"
        if (newest := board.newest()) is not None:
            board.urls["try"] = _curl(url, newest.account_id)

    await board.subscribed.wait()
    rhythm = Rhythm(crash=markets.DEMO_CRASH)
    await run_cycle(market, HttpSink(client, GIVE_UP_AFTER_S), rhythm, tell)


def _bootstrap(settings: Settings) -> str | None:
    key = settings.bootstrap_key
    return None if key is None else key.get_secret_value()


def _telling(
    console: Console, options: DemoOptions, text: str
) -> contextlib.AbstractContextManager[object]:
    if options.plain:
        _print(console, text)
        return contextlib.nullcontext()
    return console.status(text)


def _addresses(url: str) -> dict[str, str]:
    return {
        "page": f"{url}/",
        "service": f"{url}/docs",
        "stream": stream_url(url),
        "try": _curl(url, "cross-012"),
    }


def _curl(url: str, account_id: str) -> str:
    return f"curl -s {url}/v1/accounts/{account_id}/risk"


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
