"""The page's files as the worker serves them: what they are, and what is not in them."""

import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from service.app import build_api
from service.page.routes import FOLDER, HEADERS, MEDIA_TYPES, page_file
from service.settings import Settings
from tests.api.workers import documented_client

pytestmark = pytest.mark.anyio

NAMES = sorted(path.name for path in FOLDER.iterdir())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]
LINES_MAX, COLUMNS_MAX = 300, 130
# What would make text of an account, an alert or an error into markup or code.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    r"|setAttribute\(\"style\"|srcdoc|createContextualFragment|https?://(?!www\.w3\.org)"
)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return build_api(Settings.model_validate({"redis_url": "redis://127.0.0.1:1/0"}))


@pytest.fixture
async def worker(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with documented_client(httpx.ASGITransport(app, raise_app_exceptions=False)) as client:
        yield client


async def test_the_page_is_at_the_root(worker: httpx.AsyncClient) -> None:
    answer = await worker.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPES[".html"])
    assert answer.text == (FOLDER / "index.html").read_text()
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_is_served_as_what_it_is(worker: httpx.AsyncClient, name: str) -> None:
    content = (FOLDER / name).read_bytes()
    plain = await worker.get(f"/page/{name}", headers={"Accept-Encoding": "identity"})
    assert (plain.status_code, plain.content) == (200, content)
    assert plain.headers["content-type"] == MEDIA_TYPES[f".{name.rpartition('.')[2]}"]
    assert HEADERS.items() <= dict(plain.headers).items()
    packed = await worker.get(f"/page/{name}", headers={"Accept-Encoding": "gzip"})
    assert packed.content == content
    again = await worker.get(f"/page/{name}", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await worker.get(f"/page/{name}", headers={"If-None-Match": 'W/"0"'})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2Froutes.py", "__init__.py", ".", "%00"])
async def test_there_is_nothing_else(worker: httpx.AsyncClient, name: str) -> None:
    answer = await worker.get(f"/page/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_charts_come_out_of_their_package(worker: httpx.AsyncClient) -> None:
    answer = await worker.get("/page/plotly.js", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.content.startswith(b"/**\n* plotly.js v")
    known = {"If-None-Match": answer.headers["etag"]}
    assert (await worker.get("/page/plotly.js", headers=known)).status_code == 304
    assert not (FOLDER / "plotly.js").exists()


def test_what_it_refers_to_is_there() -> None:
    html = (FOLDER / "index.html").read_text()
    referred = re.findall(r'(?:href|src)="/page/([^"]+)"', html)
    for name in SCRIPTS:
        text = (FOLDER / name).read_text()
        referred += re.findall(r'(?:from|import\() ?"\./([^"]+)"', text)
    assert referred
    assert set(referred) <= set(NAMES)
    # All that is there is used by something.
    lazy = {"charts.css", "index.html"}
    assert set(NAMES) - set(referred) == lazy


def test_the_document_has_no_script_or_style_of_its_own() -> None:
    html = (FOLDER / "index.html").read_text()
    assert (
        re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", html) is None
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short_and_text_stays_text(name: str) -> None:
    lines = (FOLDER / name).read_text().splitlines()
    assert len(lines) <= LINES_MAX
    assert max(map(len, lines)) <= COLUMNS_MAX
    assert [line for line in lines if FORBIDDEN.search(line)] == []
    assert lines[0].startswith(("/**", "//")), "it opens by saying what it is for"


def test_what_is_packed_is_the_same() -> None:
    made = page_file(FOLDER / "main.js")
    assert made.packed is not None
    assert gzip.decompress(made.packed) == made.content
    assert page_file(FOLDER / "mark.svg").packed is None  # it would only grow
