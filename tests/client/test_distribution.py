"""What a bot installs: a package of its own, typed, that needs httpx and websockets and no more."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import plimsoll
from plimsoll import AsyncClient, Client

CLIENT = Path(__file__).parents[2] / "client"
PACKAGE = CLIENT / "src" / "plimsoll"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
NEEDED = {"httpx", "websockets"}


def imported(path: Path) -> set[str]:
    """The first part of every module that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_it_imports_what_it_says_it_needs() -> None:
    assert {re.split(r"[<>=~ ]", each)[0] for each in PROJECT["dependencies"]} == NEEDED
    used = set[str]().union(*map(imported, PACKAGE.glob("*.py")))
    assert used - sys.stdlib_module_names - {"plimsoll"} == NEEDED


def test_it_is_typed_and_says_so() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_everything_named_is_there_once() -> None:
    assert sorted(set(plimsoll.__all__)) == plimsoll.__all__
    assert all(hasattr(plimsoll, name) for name in plimsoll.__all__)


def test_both_clients_can_do_the_same() -> None:
    sync, awaited = (
        {name for name in dir(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)
    )
    assert sync - {"close"} == awaited - {"aclose"}


def test_the_license_is_the_projects() -> None:
    assert (CLIENT / "LICENSE").read_text() == (CLIENT.parent / "LICENSE").read_text()
