"""The page in a real browser, over a real service: what a desk does with it, what may not break.

One browser and one service for all; every test opens the page anew and logs in.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import Error as PlaywrightError

from service.risk.model import Level
from tests.page.browsers import (
    PHONE,
    WIDE,
    at,
    chromium,
    errors_of,
    new_context,
    soon,
    violations,
)
from tests.page.desk import ACCOUNTS, KEY, WIGGLE, Desk, open_desk

pytestmark = pytest.mark.live

VIEWS = ("accounts", "alerts", "book", "funds", "marks", "service")
NOT_LIVE_WITHIN_MS = 3_000.0
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("page")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(desk: Desk) -> Iterator[Browser]:  # noqa: ARG001 - its loop runs before Playwright's
    with chromium() as opened:
        yield opened


@pytest.fixture
def open_page(desk: Desk, browser: Browser) -> Iterator[Open]:
    """Opens the page and gives it the key that it asks for; checks at the end that all was well."""
    desk.wiggle = WIGGLE
    opened: list[tuple[Page, list[str]]] = []

    def open_it(view: str = "accounts", theme: str = "dark", size: tuple[int, int] = WIDE) -> Page:
        page = new_context(browser, theme, size).new_page()
        opened.append((page, errors_of(page)))
        page.goto(f"{desk.url}/#/{view}")
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#live-word")).to_have_text("live")
        return page

    yield open_it
    for page, errors in opened:
        assert errors == []
        assert violations(page) == []
        page.context.close()


def counted(page: Page, level: Level) -> int:
    text = page.locator(f".tile[data-level={level.name}] b").inner_text()
    return int(re.sub(r"\D", "", text) or 0)


def all_pressed(buttons: Locator) -> bool:
    """Press the first of these; return whether none was left, each goes when it was heard."""
    if buttons.count():
        with suppress(PlaywrightError):  # gone meanwhile
            buttons.first.click(timeout=1_000)
    return buttons.count() == 0


def loaded(page: Page) -> int:
    """Return how many accounts the list says it has loaded, 0 while it says something else."""
    found = re.match(r"[\d,]+", page.locator(".accounts .status").inner_text())
    return int(found.group().replace(",", "")) if found else 0


def test_a_margin_call_is_seen_opened_tried_and_acknowledged(desk: Desk, open_page: Open) -> None:
    desk.level = 1.0
    page = open_page()
    soon(lambda: counted(page, Level.HEALTHY) == ACCOUNTS)
    desk.wiggle = 0.0  # or who stands at the line is called and let go again with every mark
    desk.level = 0.93
    rounds = desk.rounds
    soon(lambda: desk.rounds > rounds + 2 and counted(page, Level.MARGIN_CALL) > 0)

    page.locator(".tile[data-level=MARGIN_CALL]").click()
    page.get_by_role("link", name="Alerts").click()
    called = page.locator(".alerts .list-space .row[data-level=MARGIN_CALL]:not([hidden]) a")
    expect(called.first).to_be_visible()
    # Some were called by the first symbols that fell, and let go by the others: not these.
    name = soon(lambda: next(filter(desk.is_called, called.all_inner_texts()), None))
    called.get_by_text(name, exact=True).first.click()

    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".account-head .chip")).to_be_visible()
    expect(page.get_by_role("region", name="Positions", exact=True).last).to_contain_text("USD")
    expect(page.locator(".ladder .mark").first).to_be_attached()
    expect(page.get_by_role("region", name="What would fix it")).to_contain_text("deposit")
    expect(page.get_by_role("region", name="Health findings")).to_contain_text("no stop loss")

    slider = page.get_by_label("Move of the mark in percent")
    slider.press("Home")
    outcome = page.locator(".outcome")
    expect(outcome).to_contain_text("It would be at")
    expect(outcome).to_contain_text(re.compile("owe"))
    expect(page.locator(".strip rect")).to_have_count(101)

    waiting = page.get_by_role("button", name=f"Acknowledge {name}")
    soon(lambda: all_pressed(waiting))
    seen = desk.get("/v1/alerts", accountId=name, acknowledged="true")["alerts"]
    assert {alert["accountId"] for alert in seen} == {name}


def test_accounts_are_searched_and_only_those_in_the_window_are_drawn(open_page: Open) -> None:
    page = open_page()
    soon(lambda: counted(page, Level.HEALTHY) == ACCOUNTS)
    rows = page.locator(".list-space .row:not([hidden])")
    assert rows.count() < 60
    page.get_by_role("grid").press("End")
    # A page more: all, but for those whose rank crossed its border meanwhile.
    soon(lambda: loaded(page) > 0.9 * ACCOUNTS)
    assert rows.count() < 60

    page.get_by_role("searchbox").fill("WHALE-")
    soon(lambda: 0 < counted(page, Level.HEALTHY) < 50)
    soon(lambda: all("whale-" in name for name in rows.locator("a").all_inner_texts()))
    page.get_by_role("searchbox").fill("nobody-has-this")
    expect(page.locator(".status")).to_have_text("No account is here.")


def test_an_account_is_silenced_and_heard_of_again(desk: Desk, open_page: Open) -> None:
    name = desk.get("/v1/accounts", level="HEALTHY", limit=1)["accounts"][0]["id"]
    page = open_page(f"accounts/{name}")
    page.get_by_role("button", name="Silence…").click()
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    (silence,) = desk.get("/v1/silences")["silences"]
    assert (silence["accounts"], silence["levels"]) == ([name], ["WARNING", "HEALTHY"])
    at(page, "alerts")
    page.locator("summary").click()
    page.get_by_role("button", name=f"End silence {silence['id']}").click()
    # It ends as late as one begins: by then every door knows.
    soon(lambda: desk.get("/v1/silences")["silences"] == [])


def test_a_worker_that_dies_or_hangs_is_told_of_and_come_back_to(
    desk: Desk, open_page: Open
) -> None:
    desk.level = 1.0
    page = open_page("marks")
    word, marks = page.locator("#live-word"), page.locator("tbody tr td:nth-child(3)")
    for blow, level in ((signal.SIGKILL, 0.9), (signal.SIGSTOP, 1.1)):
        (worker,) = soon(lambda: desk.service.children("--listen-fd"))
        page.evaluate("words = []; lateMs = 0")
        struck_ms = 1_000.0 * time.time()
        os.kill(worker, blow)
        try:
            expect(word).to_have_text("not live")
            told_ms, late_ms = page.evaluate("[words[0][0], lateMs]")
            # By the page's own clock, less what the machine kept it from.
            assert told_ms - struck_ms - late_ms < NOT_LIVE_WITHIN_MS
            expect(page.get_by_role("alert")).to_contain_text("what you see is old")
        finally:
            if blow == signal.SIGSTOP:
                os.kill(worker, signal.SIGCONT)
        expect(word).to_have_text("live")
        expect(page.get_by_role("alert")).to_have_count(0)
        go_where_the_market_goes(desk, marks, level)


def go_where_the_market_goes(desk: Desk, marks: Locator, level: float) -> None:
    """Marks come again, not only the word: some move as far as the market does now."""
    before = prices(marks)
    desk.level = level

    def moved() -> bool:
        return any(
            abs(now / then - 1.0) > 0.05 for then, now in zip(before, prices(marks), strict=True)
        )

    soon(moved)


def prices(marks: Locator) -> list[float]:
    return [float(text.replace(",", "")) for text in marks.all_inner_texts()]


def test_the_book_is_drawn_against_a_move(open_page: Open) -> None:
    page = open_page("book")
    expect(page.locator(".chart .main-svg .scatterlayer .trace")).to_have_count(4)
    expect(page.locator(".point-title")).to_contain_text("accounts liquidated")
    rows = page.get_by_role("region", name="Who pays at").last.locator("tbody tr")
    assert rows.count() > 0


@pytest.mark.parametrize(("theme", "size"), [("dark", WIDE), ("light", PHONE)])
def test_every_view_is_accessible_and_fits(
    desk: Desk, open_page: Open, theme: str, size: tuple[int, int]
) -> None:
    found = find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    axe = Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    page = open_page(theme=theme, size=size)
    page.evaluate(axe)
    desk.level = 0.93
    ranked = soon(lambda: desk.get("/v1/accounts", level="MARGIN_CALL", limit=1)["accounts"])
    name = ranked[0]["id"]
    for view in (*VIEWS, f"accounts/{name}"):
        at(page, view)
        soon(lambda: "Asking…" not in page.locator("main").inner_text())
        assert serious(page) == [], view
        assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0], view


def serious(page: Page) -> list[tuple[str, Any]]:
    """Return what axe-core finds that shuts somebody out."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
