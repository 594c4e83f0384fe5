"""What the parts of the service say, each with its name in a colour of its own."""

import time

import orjson
from rich.console import Console
from rich.text import Text

from service.logs import FormatName, head
from service.supervisor.children import SUPERVISOR, Say

COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


def sayer(form: FormatName, console: Console) -> Say:
    """Return what shows a line of a part's: for people, or as JSON."""
    return prefixed(console) if form == "text" else _json_lines(console)


def _json_lines(console: Console) -> Say:
    """Lines of JSON go on as they are; what is none (Valkey's, ours) is put into one."""

    def say(who: str, text: str) -> None:
        if not text.startswith('{"time":'):
            text = orjson.dumps({**head(time.time(), "info", who), "message": text}).decode()
        console.file.write(f"{text}\n")
        console.file.flush()

    return say


def prefixed(console: Console) -> Say:
    """Return what prints a line with the name of the part that said it."""
    colours: dict[str, str] = {}

    def say(who: str, text: str) -> None:
        colour = "bold" if who == SUPERVISOR else COLOURS[len(colours) % len(COLOURS)]
        prefix = Text(f"{who:<9} ", colours.setdefault(who, colour))
        console.print(prefix.append(text, "default"), soft_wrap=True)

    return say
