"""The code of the documents: blocks that are run, answers compared, commands that are shown.

- `sh` is run by bash, stops at the first failure, and fails when curl is answered an error.
- `python` is run.
- `json` behind an `sh` block, with "answer" in the text between, is an excerpt of what it printed:
  what stands in it is in there, numbers to the digits worth showing. Any other is parsed, and so
  are `toml` and `yaml`, and `pycon`: Python with its prompts, that needs a venue.
- `console`, a `$` before each line, is shown and not run: `SHOWN` says why. It is parsed as far as
  can be: commands of ours by the command line itself, targets by the Makefile, services by Compose.
"""

import doctest
import math
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer
import yaml

from service.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
EVERYWHERE = [ROOT / "README.md", *DOCUMENTS]
DIGITS = 5e-4
# By program: why its lines are shown and not run.
SHOWN = {
    "docker": "needs an engine for containers; tests/docker runs the Compose file",
    "kill": "of a service that runs elsewhere; tests/simulation and tests/e2e send the signal",
    "kubectl": "needs a cluster; tests/deploy checks what is applied",
    "ln": "beside a service that runs elsewhere; tests/simulation changes the link",
    "locust": "a page that asks until it is told to stop; CI runs the load test without it",
    "make": "takes minutes, or ends when it is told to; CI runs them",
    "pip": "installs",
    "plimsoll": "runs until it is told to stop, asks a venue, or is run by tests/cli and tests/e2e",
    "python": "makes an environment, or measures for minutes",
    "valkey-cli": "is not in the wheel that has the server",
    "valkey-server": "runs until it is stopped; tests/valkey_cluster.py starts the same",
}
# Languages that are parsed, and by what.
PARSED: dict[str, Callable[[str], object]] = {
    "json": orjson.loads,
    "pycon": lambda text: [
        compile(example.source, "pycon", "exec")
        for example in doctest.DocTestParser().get_examples(text)
    ],
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code, with the text since the one before it."""

    document: Path
    line: int
    language: str
    text: str
    before: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks_of(document: Path) -> list[Block]:
    """Return the blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    found, end = [], 0
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(document, line, match[1], match[2], text[end : match.start()]))
        end = match.end()
    return found


def is_within(shown: Any, answer: Any) -> bool:
    """Whether what is shown is in an answer: keys of an object, all entries of a list, values."""
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(
            name in answer and is_within(value, answer[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return (
            isinstance(answer, list)
            and len(shown) == len(answer)
            and all(map(is_within, shown, answer))
        )
    if isinstance(shown, int | float) and not isinstance(shown, bool):
        return (
            isinstance(answer, int | float)
            and not isinstance(answer, bool)
            and math.isclose(shown, answer, rel_tol=DIGITS, abs_tol=1e-9)
        )
    return type(shown) is type(answer) and bool(shown == answer)


def check_answer(block: Block, said: str) -> None:
    """Compare an excerpt with what a block before it has printed."""
    shown, answer = orjson.loads(block.text), orjson.loads(said)
    assert is_within(shown, answer), f"{block.place}: not in the answer:\n{said}"


def check_shown(block: Block) -> None:
    """Parse a block that is not run."""
    for line in block.text.splitlines():
        assert line.startswith("$ "), f"{block.place}: {line!r} has no `$` before it"
        command = line[2:]
        bash = subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False)
        assert bash.returncode == 0, f"{block.place}: {bash.stderr.decode()}"
        words = shlex.split(command, comments=True)
        while "=" in words[0]:
            words = words[1:]
        program = Path(words[0]).name
        assert program in SHOWN, f"{block.place}: say in SHOWN why {program} is not run"
        _check_words(block.place, program, words[1:])


def _check_words(place: str, program: str, words: list[str]) -> None:
    if program == "plimsoll":
        _parse(place, words)
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[0] in targets, f"{place}: make {words[0]}"
    elif program == "kubectl" and "-k" in words:
        folder = ROOT / words[words.index("-k") + 1]
        assert (folder / "kustomization.yaml").exists(), f"{place}: {folder}"
    elif program == "docker" and words[0] == "compose":
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        known = {*compose["services"]}
        named = [word.partition("=")[0] for word in words if word.partition("=")[0] in known]
        named += [word for word in words if word.partition(":")[0] in known]
        alone = {"up", "ps", "stop", "logs", "pull", "build"} & set(words)
        assert named or alone, f"{place}: {words} names no service of {sorted(known)}"


def _parse(place: str, words: list[str]) -> None:
    """Insist on commands and options that our command line knows."""
    command: Any = typer.main.get_command(cli)
    while hasattr(command, "get_command"):
        named = command.get_command(None, words[0])
        assert named is not None, f"{place}: there is no command {words[0]}"
        command, words = named, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("-") or option in known, f"{place}: no option {option}"
