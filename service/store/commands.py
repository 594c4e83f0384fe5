"""What is sent to Redis: commands, scripts by name, and which key says where either belongs.

A script is one file of `scripts/`, an atomic step. Functions that several scripts use are in
`preludes/`; a line `-- needs: chunks, numbers` in a script asks for them.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple, TypeAlias

Part: TypeAlias = str | bytes | int | float


class Message(NamedTuple):
    """What was published."""

    channel: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua file of `scripts/`: an atomic step over keys of one slot."""

    name: str
    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A script with its keys and arguments, to be sent in a batch."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Part]


Command: TypeAlias = Sequence[Part] | ScriptCall

_NEEDS = re.compile(r"^-- needs: (.+)$", re.MULTILINE)
# Where a command's first key stands; any other command has it right behind its name.
_NO_KEY = frozenset(
    ("ACL", "CLUSTER", "CONFIG", "ECHO", "FLUSHALL", "INFO", "KEYS", "PING", "PUBLISH", "SCRIPT")
)
_KEY_AT = {"EVAL": 3, "EVALSHA": 3, "MEMORY": 2, "XINFO": 2}


@cache
def load_script(name: str) -> Script:
    """Read `scripts/<name>.lua`, put behind the preludes that its `-- needs:` line names."""
    text = _read_lua("scripts", name)
    needed = _NEEDS.search(text)
    preludes = needed[1].split(", ") if needed else []
    text = "\n".join([*(_read_lua("preludes", prelude) for prelude in preludes), text])
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read_lua(folder: str, name: str) -> str:
    return files("service.store").joinpath(folder, f"{name}.lua").read_text(encoding="utf-8")


def key_of(command: Command) -> Part | None:
    """Return the first key of a command, None for one that any server may answer."""
    if isinstance(command, ScriptCall):
        return command.keys[0]
    name = command[0]
    if name in _NO_KEY or len(command) == 1:
        return None
    if name == "XREAD":
        return command[command.index("STREAMS") + 1]
    return command[_KEY_AT.get(str(name), 1)]


def plain(commands: Sequence[Command]) -> list[Sequence[Part]]:
    """Return commands as one server is sent them in one go.

    The first use of each script carries its text, so that none can be unknown half way through.
    """
    known: set[str] = set()
    return [_plain(command, known) for command in commands]


def _plain(command: Command, known: set[str]) -> Sequence[Part]:
    if not isinstance(command, ScriptCall):
        return command
    script, tail = command.script, (len(command.keys), *command.keys, *command.arguments)
    if script.sha in known:
        return ("EVALSHA", script.sha, *tail)
    known.add(script.sha)
    return ("EVAL", script.text, *tail)


def pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Pair up a flat answer of fields and values."""
    return list(zip(flat[::2], flat[1::2], strict=True))
