"""The page at /asyncapi: all of the document, and nothing that comes from elsewhere."""

import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from service.push.asyncapi import document, render
from service.push.asyncapi_page import render_page

pytestmark = pytest.mark.anyio


_BLOCKS = {"h1", "h2", "h3", "p", "pre", "td", "th"}


class Read(HTMLParser):
    """A page as a browser reads it: its elements, what they point at, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.names: list[str] = []
        self.targets: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.text += "\n" if tag in _BLOCKS else ""
        for name, value in attrs:
            assert name not in ("style", "src")
            assert not name.startswith("on")
            if name == "id":
                self.names.append(value or "")
            if name == "href":
                self.targets.add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_it_is_served_without_store_and_key_beside_the_document(
    alone: httpx.AsyncClient,
) -> None:
    page = await alone.get("/asyncapi")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text == render_page(document())
    told = await alone.get("/asyncapi.json")
    assert told.headers["content-type"] == "application/json"
    assert told.text == render()


async def test_its_policy_allows_its_own_style_and_nothing_else(alone: httpx.AsyncClient) -> None:
    page = await alone.get("/asyncapi")
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"].split("; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not [rule for rule in policy if "unsafe" in rule or "http" in rule or "*" in rule]


async def test_it_has_no_script_and_needs_no_other_host() -> None:
    read = Read(render_page(document()))
    assert not read.elements & {"script", "img", "iframe", "object", "embed", "form", "base"}
    elsewhere = {target for target in read.targets if not target.startswith("#")}
    assert elsewhere == {"/asyncapi.json", "/openapi.json", "data:,"}


async def test_every_link_within_it_leads_somewhere_once() -> None:
    read = Read(render_page(document()))
    assert len(set(read.names)) == len(read.names)
    within = {target[1:] for target in read.targets if target.startswith("#")}
    assert within
    assert within <= set(read.names)


async def test_it_shows_every_frame_field_example_and_close_code() -> None:
    written, read = document(), Read(render_page(document()))
    assert set(written["components"]["schemas"]) == set(read.names)
    for message in written["components"]["messages"].values():
        assert f"{message['title']} {message['name']}" in read.text
        assert message["examples"]
    for schema in written["components"]["schemas"].values():
        assert schema["description"].replace("`", "") in read.text
        assert set(schema["properties"]) <= set(read.text.split())
    for code, reason in written["channels"]["stream"]["x-close-codes"].items():
        assert f"\n{code}\n{reason}\n" in read.text


@pytest.mark.parametrize("place", ["info", "schema", "example", "name"])
async def test_what_the_document_says_is_text_and_never_markup(place: str) -> None:
    hostile = "<script>alert(1)</script>\"'`<b>`"
    written: Any = document()
    if place == "info":
        written["info"]["description"] = hostile
    elif place == "schema":
        written["components"]["schemas"]["Ping"]["description"] = hostile
    elif place == "example":
        written["components"]["messages"]["Ping"]["examples"][0]["payload"] = {hostile: hostile}
    else:
        written["components"]["messages"]["Ping"]["title"] = hostile
    page = render_page(written)
    assert not Read(page).elements & {"script", "b"}
    assert "alert(1)" in unescape(page)
