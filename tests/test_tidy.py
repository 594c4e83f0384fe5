"""The house rules that a linter does not know; each failure names the place and the remedy."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("service", "tests", "loadtests", "studies", "examples", "client")
# What others import by the package's name: imports and `__all__`, and no code.
DOORS = {ROOT / "client" / "src" / "plimsoll" / "__init__.py"}
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
LINE_COLUMNS_MAX = 100

# A word of a name that we define (snake or camel case) -> what to write instead.
WORDS = {
    "acct": "account",
    "amt": "amount",
    "calc": "compute, or the name of the result",
    "cfg": "settings",
    "cnt": "count",
    "evt": "event",
    "idx": "slot, row, or what it counts",
    "imr": "initial_rate",
    "lev": "leverage",
    "liq": "liquidation",
    "mgr": "what it does",
    "mmr": "maintenance_rate",
    "px": "price",
    "qty": "quantity",
    "resp": "response or answer",
    "sym": "symbol",
    "upnl": "unrealised_pnl",
}
# A word of a file's, folder's or class's name: says nothing of what is inside.
EMPTY_WORDS = {
    "base",
    "common",
    "handler",
    "handlers",
    "helper",
    "helpers",
    "manager",
    "misc",
    "stuff",
    "util",
    "utils",
}
# A text that stands nowhere -> why.
TEXTS = {
    "TODO": "do it, or file it",
    "FIXME": "mend it",
    "XXX": "say what is meant",
    "/work/": "a path of one machine",
    "/root/": "a path of one machine",
    "/opt/pypi": "a path of one machine",
    "/opt/wheels": "a path of one machine",
    "pypi.org": "a registry's host",
    "pythonhosted": "a registry's host",
    "index-url": "a registry's host",
    "find-links": "a registry's host",
}
# Folders whose files may name what is not part of a clone; they skip when it is not there.
BESIDE_THE_CLONE = "../shared"
TEXT_SUFFIXES = {".py", ".lua", ".md", ".toml", ".yml", ".yaml", ".txt", ".json", ".svg", ""}
SKIPPED_FOLDERS = {"out", "data", "build", "dist", "__pycache__"}


def python_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def lua_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.lua"))


def text_files() -> Iterator[Path]:
    """Every file of the project but this one, hidden folders and build products left out."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in {".ci", ".github"} for part in parts[:-1])
        skipped = hidden or bool(SKIPPED_FOLDERS & set(parts[:-1]))
        if (
            path.is_file()
            and not skipped
            and path.suffix in TEXT_SUFFIXES
            and path != Path(__file__)
        ):
            yield path


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree_of(path)))


def place(path: Path, line: int | None = None) -> str:
    name = str(path.relative_to(ROOT))
    return name if line is None else f"{name}:{line}"


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def names_defined(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def test_no_file_is_long() -> None:
    files = python_files(*ROOMS) + lua_files("service/store")
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    long = [f"{place(path)}: {lines}" for path, lines in lengths.items() if lines > FILE_LINES_MAX]
    assert not long, f"split what has more than {FILE_LINES_MAX} lines: {long}"


def test_no_line_of_a_script_is_long() -> None:
    # What Python files hold to by `line-length`.
    long = [
        place(path, number)
        for path in lua_files("service/store")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > LINE_COLUMNS_MAX
    ]
    assert not long, f"wrap what has more than {LINE_COLUMNS_MAX} columns: {long}"


def test_no_function_is_long() -> None:
    long = []
    for path in python_files(*ROOMS):
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{place(path, node.lineno)} {node.name}: {lines}")
    assert not long, f"split what has more than {FUNCTION_LINES_MAX} lines: {long}"


def test_every_file_opens_by_saying_what_it_is_for() -> None:
    mute = [
        place(path)
        for path in python_files(*ROOMS)
        if path.name != "__init__.py" and not ast.get_docstring(tree_of(path))
    ]
    assert not mute, f"add a docstring of one to three lines: {mute}"


def test_package_files_are_empty() -> None:
    full = [
        place(path)
        for path in python_files(*ROOMS)
        if path.name == "__init__.py" and path not in DOORS
        if path.read_text()
    ]
    assert not full, f"move the code to a file with a name: {full}"


def test_a_door_only_imports() -> None:
    for path in DOORS:
        docstring, *imports, names = tree_of(path).body
        assert isinstance(docstring, ast.Expr), place(path)
        assert all(isinstance(node, ast.ImportFrom) for node in imports), place(path)
        assert isinstance(names, ast.Assign), place(path)
        assert ast.unparse(names.targets[0]) == "__all__", place(path)


def test_names_are_spelled_out() -> None:
    short = [
        f"{place(path, line)} {name}: write {WORDS[word]}"
        for path in python_files(*ROOMS)
        for name, line in names_defined(path)
        for word in sorted(words_of(name) & WORDS.keys())
    ]
    assert not short, "\n".join(short)


def test_no_file_folder_or_class_has_an_empty_name() -> None:
    empty = []
    for path in python_files(*ROOMS):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(words_of(part) & EMPTY_WORDS for part in parts):
            empty.append(place(path))
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and words_of(node.name) & EMPTY_WORDS:
                empty.append(f"{place(path, node.lineno)} {node.name}")
    assert not empty, f"name what is inside: {empty}"


def test_no_text_that_does_not_belong() -> None:
    found = []
    for path in text_files():
        in_tests = path.is_relative_to(ROOT / "tests")
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            found += [
                f"{place(path, number)} {text}: {why}"
                for text, why in TEXTS.items()
                if text in line
            ]
            if BESIDE_THE_CLONE in line and not in_tests:
                found.append(f"{place(path, number)} {BESIDE_THE_CLONE}: a clone does not have it")
    assert not found, "\n".join(found)


def test_keys_of_redis_are_made_in_one_file() -> None:
    made = []
    for path in python_files("service"):
        in_store = path.is_relative_to(ROOT / "service" / "store")
        if path == ROOT / "service" / "store" / "keys.py":
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.match(r"^\{(market|ask|keys|s\d*)\}:", node.value):
                    made.append(place(path, node.lineno))
            elif isinstance(node, ast.JoinedStr) and in_store:
                fixed = "".join(
                    str(part.value) for part in node.values if isinstance(part, ast.Constant)
                )
                if re.search(r":(?!//|\s|$)", fixed):
                    made.append(place(path, node.lineno))
    assert not made, f"move the key to store/keys.py: {made}"


def test_every_script_names_its_arguments_first() -> None:
    mute = []
    for path in lua_files("service/store/scripts"):
        code = [
            line
            for line in path.read_text().splitlines()
            if line.strip() and not line.startswith("--")
        ]
        if not code or not re.match(r"local \w+ = (tonumber\()?(KEYS|ARGV)\[1\]", code[0]):
            mute.append(place(path))
    assert not mute, f"open with `local account_key = KEYS[1]` lines: {mute}"
