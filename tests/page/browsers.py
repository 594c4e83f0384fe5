"""Chromium for the tests of the page: where it is, how it starts, what it must not have met.

Debian's package has it (`.ci/prepare` installs that); PLIMSOLL_CHROMIUM names another. Without one
these tests skip, and say so; with PLIMSOLL_NEEDS_BROWSER=1 they fail instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.running_service import until

FLAGS = (
    "--no-sandbox",  # of Chromium's own, which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0  # for what must come: nothing is waited for longer than it takes
WIDE, PHONE = (1440, 900), (390, 844)
# Noted in the page: what the policy forbade, tasks of 50 ms and more, when the word for live or not
# changed, and how late in all the page's timers were: what a busy machine kept it from.
_NOTES = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push([event.violatedDirective, event.sourceFile]));
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longTasks.push([entry.startTime, entry.duration]);
}).observe({ type: "longtask", buffered: true });
window.words = [];
addEventListener("DOMContentLoaded", () => {
  const word = document.getElementById("live-word");
  const note = () => words.push([Date.now(), word.textContent]);
  new MutationObserver(note).observe(word, { childList: true });
});
window.lateMs = 0;
let ticked = performance.now();
setInterval(() => {
  const now = performance.now();
  lateMs += Math.max(0, now - ticked - 100);
  ticked = now;
}, 100);
"""


def find_chromium() -> str:
    """Return the browser's path; without one skips the test, or fails it where one is needed."""
    found = os.environ.get("PLIMSOLL_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    if found is None:
        message = "there is no Chromium here (Debian: apt-get install chromium)"
        if os.environ.get("PLIMSOLL_NEEDS_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    path = find_chromium()
    expect.set_options(timeout=1_000.0 * PATIENCE_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def new_context(
    browser: Browser, theme: str = "dark", size: tuple[int, int] = WIDE
) -> BrowserContext:
    """Return what a person has who opens the page for the first time."""
    width, height = size
    viewport: Any = {"width": width, "height": height}
    scheme: Any = theme
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    context.set_default_timeout(1_000.0 * PATIENCE_S)
    context.add_init_script(_NOTES)
    return context


def errors_of(page: Page) -> list[str]:
    """Return a list that the page's uncaught errors will be in."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def violations(page: Page) -> list[list[str]]:
    """Return what the policy forbade to files of our own.

    The charts' script tries to add the styles of its maps, which we do not draw: that is refused.
    """
    found: list[list[str]] = page.evaluate("window.violations")
    return [one for one in found if not one[1].endswith("/page/plotly.js")]


def soon(condition: Callable[[], Any]) -> Any:
    """Return the first true value of `condition`, asked again and again."""
    return until(condition, PATIENCE_S)


def at(page: Page, view: str) -> None:
    """Go to a view as a link would, and wait until it is there."""
    shown = "account" if view.startswith("accounts/") else view
    page.evaluate("view => { location.hash = `#/${view}`; }", view)
    page.wait_for_selector(f"main > div.{shown}")
