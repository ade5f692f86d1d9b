"""`precordia tui`: the terminal user interface."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@app.command()
def tui(recording: Annotated[str, typer.Argument(metavar="[REC]", help="Open on this recording.")] = "") -> None:
    """Open the terminal user interface: recordings, 12 leads with grid, predictions."""
    import_module("tui.app").run(recording)  # by name: front ends do not build on each other, this only starts one
