"""What holds of the documents' code without running it; `test_readme.py` runs it."""

import re

import orjson
import pytest

from service import errors
from service.contract import frames
from service.push.close_codes import CloseCode
from tests.e2e.documents import (
    DOCUMENTS,
    EVERYWHERE,
    PARSED,
    ROOT,
    SHOWN,
    Block,
    blocks_of,
    check_shown,
    is_within,
)
from tests.e2e.test_readme import ELSEWHERE, README, snippets

TESTED = (
    "Ask it",
    "Will I owe money?",
    "Watch your own account",
    "Other doors to the same log",
    "Telling people",
    "Who has seen it, and who need not",
)
LANGUAGES = {"sh", "python", *PARSED, "console", "text", ""}


def test_no_block_of_the_readme_is_left_out() -> None:
    tested = sum(
        len(snippets(language, heading)) for heading in TESTED for language in ("sh", "python")
    )
    assert tested == len(re.findall(r"^```(?:sh|python)$", README, re.MULTILINE))


def test_every_document_is_a_page_of_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- .*: ([\w-]+\.md)$", site, re.MULTILINE)
    assert sorted(listed) == [document.name for document in DOCUMENTS]


def test_what_is_shown_and_not_run_can_be_parsed() -> None:
    blocks = [block for document in EVERYWHERE for block in blocks_of(document)]
    assert {block.language for block in blocks} <= LANGUAGES
    for block in blocks:
        if block.language in PARSED:
            PARSED[block.language](block.text)
    shown = [block for block in blocks if block.language == "console"]
    for block in shown:
        check_shown(block)
    text = "\n".join(block.text for block in shown)
    assert [name for name in SHOWN if not re.search(rf"\b{name}\b", text)] == []


def table(document: str, heading: str) -> str:
    """The lines of a section's table."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def test_every_call_is_in_the_table_of_calls() -> None:
    paths = orjson.loads((ROOT / "openapi" / "openapi.json").read_bytes())["paths"]
    listed = table("api.md", "The calls")
    nouns = {re.split(r"[/:{]", path.removeprefix("/v1/").strip("/"))[0] for path in paths}
    assert {noun for noun in nouns if not re.search(rf"/{noun}\b", listed)} == set()


def test_errors_frames_and_close_codes_are_named_as_they_are() -> None:
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ServiceError)
    }
    named = set(
        re.findall(r"`([a-z]+_[a-z_]+)`", table("api.md", "What is sent and what comes back"))
    )
    assert named <= codes
    tags = {
        kind.__struct_config__.tag
        for kind in vars(frames).values()
        if isinstance(kind, type) and issubclass(kind, frames.ServerFrame)
    }
    told = re.findall(r"^\| `([a-z]+)` \|", table("stream.md", "Subscribing"), re.MULTILINE)
    assert set(told) <= tags
    closed = table("stream.md", "Why it is closed, and what to do")
    assert set(re.findall(r"\b4\d{3}\b", closed)) == {str(code.value) for code in CloseCode}


def shown(text: str) -> Block:
    return Block(ROOT / "docs" / "any.md", 1, "console", text, "")


@pytest.mark.parametrize(
    "command",
    [
        "$ plimsoll serve --no-such-option",
        "$ plimsoll fly",
        "$ make everything",
        "$ kubectl apply -k deploy/nowhere",
        "$ docker compose restart nobody",
        "$ echo said",
        "$ plimsoll serve '",
        "plimsoll serve",
    ],
)
def test_what_cannot_be_is_not_shown(command: str) -> None:
    check_shown(shown("$ PLIMSOLL_FEEDS=okx .venv/bin/plimsoll serve --port 0 # as it is"))
    with pytest.raises((AssertionError, ValueError)):
        check_shown(shown(command))


def test_what_another_test_runs_is_there() -> None:
    names = {document.name for document in DOCUMENTS}
    for document, where in ELSEWHERE.items():
        assert document in names
        assert (ROOT / "tests" / "e2e" / where.partition(",")[0]).exists()


@pytest.mark.parametrize(
    ("shown", "answer", "within"),
    [
        ({"a": 1}, {"a": 1.0, "b": 2}, True),
        ({"a": 1}, {"a": 1.001}, False),
        ({"a": 1}, {}, False),
        ({"a": None}, {"a": 0}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ([1], [1, 2], False),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ("x", "y", False),
        ({}, [], False),
    ],
)
def test_an_excerpt_is_within_an_answer(shown: object, answer: object, within: bool) -> None:
    assert is_within(shown, answer) is within
