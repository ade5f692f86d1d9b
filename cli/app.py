"""The `precordia` command: a table of commands, each loaded when it is called, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "up": "Start the four services here, on one data folder.",
    "down": "Stop the services that `up --detach` started.",
    "status": "Say which services answer, and where.",
    "tui": "Open the terminal user interface.",
    "serve": "Run one service in the foreground.",
    "import": "Read ECG files and keep their recordings.",
    "recordings": "List the recordings that are kept.",
    "show": "Show everything known about one recording.",
    "export": "Write recordings to files.",
    "predict": "Score ECGs with a model.",
    "predictions": "List what models said of stored recordings.",
    "traffic": "Try a new version beside the one in service.",
    "evaluate": "Measure models on a labelled dataset.",
    "datasets": "List datasets; attach labels, freeze snapshots.",
    "models": "List models; import, export, point aliases.",
    "train": "Train a model on a labelled dataset.",
    "jobs": "List, follow or call off long work.",
}
"""Every command with its line in `--help`; its module is `cli.commands.<name>`."""

_MODULES = {"import": "imports"}  # `import` is no name for a module


class LazyGroup(TyperGroup):
    """Lists the commands from the table, and imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A stand-in with the command's one line of help."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, with the arguments that are left for it."""
        self.commands = {name: self.get_command(ctx, name) for name in COMMANDS}  # for "did you mean"
        name, found, rest = super().resolve_command(ctx, args)
        if found is None or name is None:
            return name, found, rest
        module = import_module(f"cli.commands.{_MODULES.get(name, name)}")
        command = typer.main.get_command(module.app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"precordia {version('precordia')}")
        raise typer.Exit


@app.callback(epilog="Start with `precordia up --detach`, then `precordia predict FILE`. Research use only.")
def precordia(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Read 12-lead ECGs from any source, predict with deep models, train new ones, on site.

    Every command takes `--json`: one JSON document on stdout, narration on stderr. Exit status: 0 all done,
    1 something was refused (the document says what), 2 wrong usage.
    """


def main() -> None:
    """The console script."""
    app(prog_name="precordia")
