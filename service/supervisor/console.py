"""What the parts of the service say, each with its name in a colour of its own."""

from rich.console import Console
from rich.text import Text

from service.supervisor.children import SUPERVISOR, Say

COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


def prefixed(console: Console) -> Say:
    """Return what prints a line with the name of the part that said it."""
    colours: dict[str, str] = {}

    def say(who: str, text: str) -> None:
        colour = "bold" if who == SUPERVISOR else COLOURS[len(colours) % len(COLOURS)]
        prefix = Text(f"{who:<9} ", colours.setdefault(who, colour))
        console.print(prefix.append(text, "default"), soft_wrap=True)

    return say
