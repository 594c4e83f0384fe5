"""The command line: which commands there are, and where each is.

A command is imported when it is named: all of them together cost a second of processor, which
whoever starts a service does not want to wait.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from service.memory import collect_seldom

# Module of `service`, and what it is called there where that is another name.
COMMANDS = {
    "serve": "serve_cli",
    "demo": "demo_cli",
    "watch": "watch_cli",
    "evaluate": "evaluate_cli",
    "owe": "owe_cli",
    "replay": "replay_cli",
    "feed": "feeds_cli",
    "sync": "sync_cli",
    "instruments": "instruments_cli",
    "keys": "keys_cli",
    "doctor": "doctor_cli",
    "config": "config_cli",
    "backup": "store_cli",
    "restore": "store_cli.restore_backup",
    "migrate": "store_cli.migrate_data",
    "openapi": "openapi_cli",
}


class Commands(TyperGroup):
    """The commands in their order, imported one by one."""

    def list_commands(self, _context: Any) -> list[str]:
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        """Return the command of that name, None where there is none."""
        if name not in COMMANDS:
            return None
        module, _, member = COMMANDS[name].partition(".")
        found = getattr(import_module(f"service.{module}"), member or name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False)
            alone.command(name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = name
        return command


cli = typer.Typer(
    name="plimsoll",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@cli.callback()
def plimsoll() -> None:
    """Real-time risk for perpetual futures: who is near a margin call, a liquidation, a debt?"""


def main() -> None:
    """Run the command line."""
    collect_seldom()
    cli()
